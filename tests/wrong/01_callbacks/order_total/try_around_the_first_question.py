"""Has a try around everything, and everything but the first question happens after it is over.

When the second look-up raises, order_total has long returned and its try with it. On the stack are
the loop and a callback, and there the error ends.

mistake: error-swallowed
fails: test_a_look_up_that_raises_is_reported, test_a_product_without_a_price_is_reported,
    test_on_error_is_called_after_order_total_has_returned,
    test_a_look_up_that_raises_has_said_its_word, test_what_on_error_raises_goes_to_the_loop
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


def first_word_only(*functions: Callable[[Any], object]) -> list[Callable[[Any], None]]:
    spoken = False

    def guarded(function: Callable[[Any], object]) -> Callable[[Any], None]:
        def call(what: Any) -> None:
            nonlocal spoken
            if not spoken:
                spoken = True
                function(what)

        return call

    return [guarded(function) for function in functions]


def order_total(number: str, *, shop: Any, call_soon: Any, on_done: Any, on_error: Any) -> None:
    def fail(error: Exception) -> None:
        call_soon(on_error, error)

    def with_order(order: Order) -> None:
        def with_customer(customer: Customer) -> None:
            def with_prices(prices: Mapping[str, int]) -> None:
                total = 0
                for product, quantity in order.lines.items():
                    total += quantity * prices[product]
                call_soon(on_done, total)

            shop.find_prices(customer.price_list, *first_word_only(with_prices, fail))

        shop.find_customer(order.customer, *first_word_only(with_customer, fail))

    done, failed = first_word_only(with_order, fail)
    try:
        shop.find_order(number, done, failed)
    except Exception as error:
        failed(error)
