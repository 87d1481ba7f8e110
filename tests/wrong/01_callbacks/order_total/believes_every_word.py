"""Does everything right as long as a look-up says one thing.

A look-up that retries inside, and whose first answer was only slow, answers twice. Both answers go
all the way, and the customer is charged for both.

mistake: callback-called-twice
fails: test_a_look_up_that_answers_twice_counts_once,
    test_a_look_up_that_answers_and_fails_counts_once,
    test_a_look_up_that_raises_has_said_its_word, test_a_product_without_a_price_is_reported
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
    def give_up(error: Exception) -> None:
        call_soon(on_error, error)

    def ask(look_up: Any, key: str, go_on: Callable[[Any], None]) -> None:
        def done(answer: Any) -> None:
            try:
                go_on(answer)
            except Exception as error:
                give_up(error)

        try:
            look_up(key, done, give_up)
        except Exception as error:
            give_up(error)

    def with_order(order: Order) -> None:
        def with_prices(prices: Mapping[str, int]) -> None:
            call_soon(on_done, sum(n * prices[product] for product, n in order.lines.items()))

        def with_customer(customer: Customer) -> None:
            ask(shop.find_prices, customer.price_list, with_prices)

        ask(shop.find_customer, order.customer, with_customer)

    ask(shop.find_order, number, with_order)
