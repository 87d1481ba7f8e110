"""Hands the total to the loop, and calls on_error on the spot.

Who writes the error path asks how to get out, and not who is listening yet. The caller has not got
its order_total back, and its on_error already runs, before the line that shows the spinner.

mistake: sometimes-synchronous
fails: test_on_error_is_called_after_order_total_has_returned,
    test_what_on_error_raises_goes_to_the_loop
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Order:
    customer: str
    lines: Mapping[str, int]


@dataclass(frozen=True)
class Customer:
    name: str
    price_list: str


class Attempt:
    def __init__(self, shop: Any, call_soon: Any, on_done: Any, on_error: Any) -> None:
        self.shop, self.call_soon = shop, call_soon
        self.on_done, self.on_error = on_done, on_error
        self.over = False

    def ask(self, look_up: Any, key: str, go_on: Callable[[Any], None]) -> None:
        words = []

        def done(answer: Any) -> None:
            words.append(answer)
            if len(words) == 1:
                try:
                    go_on(answer)
                except KeyError as error:
                    self.complain(error)

        def fail(error: Exception) -> None:
            words.append(error)
            if len(words) == 1:
                self.complain(error)

        try:
            look_up(key, done, fail)
        except Exception as error:
            fail(error)

    def complain(self, error: Exception) -> None:
        if not self.over:
            self.over = True
            self.on_error(error)

    def start(self, number: str) -> None:
        self.ask(self.shop.find_order, number, self.with_order)

    def with_order(self, order: Order) -> None:
        self.order = order
        self.ask(self.shop.find_customer, order.customer, self.with_customer)

    def with_customer(self, customer: Customer) -> None:
        self.ask(self.shop.find_prices, customer.price_list, self.with_prices)

    def with_prices(self, prices: Mapping[str, int]) -> None:
        total = sum(n * prices[product] for product, n in self.order.lines.items())
        self.call_soon(self.on_done, total)


def order_total(number: str, *, shop: Any, call_soon: Any, on_done: Any, on_error: Any) -> None:
    Attempt(shop, call_soon, on_done, on_error).start(number)
