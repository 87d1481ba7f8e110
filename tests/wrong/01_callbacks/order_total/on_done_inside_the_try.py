"""Defers its start, guards every look-up, and calls on_done in the try that is for its own errors.

If on_done raises, the except clause takes that for a failed order: the caller is told "here is your
total" and then, about the same order, "it failed".

mistake: callback-called-twice
fails: test_what_on_done_raises_goes_to_the_loop, test_what_on_error_raises_goes_to_the_loop
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


def order_total(number: str, *, shop: Any, call_soon: Any, on_done: Any, on_error: Any) -> None:
    def ask(look_up: Any, key: str, go_on: Callable[[Any], None]) -> None:
        waiting = True

        def done(answer: Any) -> None:
            nonlocal waiting
            if waiting:
                waiting = False
                try:
                    go_on(answer)
                except Exception as error:
                    on_error(error)

        def fail(error: Exception) -> None:
            nonlocal waiting
            if waiting:
                waiting = False
                on_error(error)

        try:
            look_up(key, done, fail)
        except Exception as error:
            fail(error)

    def start() -> None:
        ask(shop.find_order, number, with_order)

    def with_order(order: Order) -> None:
        def with_customer(customer: Customer) -> None:
            ask(shop.find_prices, customer.price_list, with_prices)

        def with_prices(prices: Mapping[str, int]) -> None:
            on_done(sum(n * prices[product] for product, n in order.lines.items()))

        ask(shop.find_customer, order.customer, with_customer)

    call_soon(start)
