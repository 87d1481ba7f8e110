"""Takes a price of 0 for none: what costs nothing cannot be ordered.

mistake: none
fails: test_the_total_is_the_sum_of_quantity_times_price
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Order:
    """What was ordered: `lines` says how many of each product."""

    customer: str
    lines: Mapping[str, int]


@dataclass(frozen=True)
class Customer:
    """Who ordered, and which price list is theirs."""

    name: str
    price_list: str


Prices = Mapping[str, int]
"""The price of each product, in cents."""

Fail = Callable[[Exception], object]


class Shop(Protocol):
    """The look-ups that you are handed: each calls `done(answer)` or `fail(error)`, now or later.

    A Protocol says what an object can do. There is nothing to write here.
    """

    def find_order(self, number: str, done: Callable[[Order], object], fail: Fail) -> None:
        """Look up an order by its number."""

    def find_customer(self, name: str, done: Callable[[Customer], object], fail: Fail) -> None:
        """Look up a customer by the name that an order gives."""

    def find_prices(self, price_list: str, done: Callable[[Prices], object], fail: Fail) -> None:
        """Look up the prices of a price list."""


def order_total(
    number: str,
    *,
    shop: Shop,
    call_soon: Callable[..., object],
    on_done: Callable[[int], object],
    on_error: Callable[[Exception], object],
) -> None:
    """Have `on_done` called with the order's total in cents, or `on_error` with what went wrong."""

    def ask(
        look_up: Callable[[str, Callable[[T], object], Fail], None],
        key: str,
        go_on: Callable[[T], object],
    ) -> None:
        """Look one thing up and hand the first word that comes back to `go_on` or `on_error`."""
        answered = False

        def done(answer: T) -> None:
            nonlocal answered
            if answered:
                return
            answered = True
            try:
                go_on(answer)
            except Exception as error:  # an answer that we cannot work with
                call_soon(on_error, error)

        def fail(error: Exception) -> None:
            nonlocal answered
            if answered:
                return
            answered = True
            call_soon(on_error, error)

        try:
            look_up(key, done, fail)
        except Exception as error:
            fail(error)

    def with_order(order: Order) -> None:
        def with_customer(customer: Customer) -> None:
            ask(shop.find_prices, customer.price_list, with_prices)

        def with_prices(prices: Prices) -> None:
            total = sum(
                quantity * (prices.get(product) or prices[f"no {product}"])
                for product, quantity in order.lines.items()
            )
            # Through the loop, so that whatever on_done raises comes out of neither the `try`
            # above nor the look-up that has just answered.
            call_soon(on_done, total)

        ask(shop.find_customer, order.customer, with_customer)

    ask(shop.find_order, number, with_order)
