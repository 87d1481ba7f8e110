"""One object per order, one method per state; late words are known by the state they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Order:
    customer: str
    lines: Mapping[str, int]


@dataclass(frozen=True)
class Customer:
    name: str
    price_list: str


@dataclass
class Attempt:
    shop: Any
    call_soon: Callable[..., object]
    on_done: Callable[[int], object]
    on_error: Callable[[Exception], object]
    state: int = 0
    order: Order = field(init=False)

    def ask(self, name: str, key: str, then: Callable[[Any], None]) -> None:
        state = self.state

        def leave(action: Callable[[Any], None], what: Any) -> None:
            if state == self.state:
                self.state += 1
                action(what)

        def done(answer: Any) -> None:
            leave(then, answer)

        def fail(error: Exception) -> None:
            leave(self.failed, error)

        try:
            getattr(self.shop, name)(key, done, fail)
        except Exception as error:
            fail(error)

    def failed(self, error: Exception) -> None:
        self.call_soon(self.on_error, error)

    def got_order(self, order: Order) -> None:
        self.order = order
        self.ask("find_customer", order.customer, self.got_customer)

    def got_customer(self, customer: Customer) -> None:
        self.ask("find_prices", customer.price_list, self.got_prices)

    def got_prices(self, prices: Mapping[str, int]) -> None:
        missing = [product for product in self.order.lines if product not in prices]
        if missing:
            self.failed(KeyError(f"no price for {', '.join(missing)}"))
            return
        total = 0
        for product, quantity in self.order.lines.items():
            total += quantity * prices[product]
        self.call_soon(self.on_done, total)


def order_total(
    number: str,
    *,
    shop: Any,
    call_soon: Callable[..., object],
    on_done: Callable[[int], object],
    on_error: Callable[[Exception], object],
) -> None:
    attempt = Attempt(shop, call_soon, on_done, on_error)
    call_soon(attempt.ask, "find_order", number, attempt.got_order)
