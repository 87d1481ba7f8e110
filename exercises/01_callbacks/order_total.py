"""What does an order cost? Three look-ups, each of which needs the answer of the one before it.

The shop keeps orders, customers and price lists in three places. Nobody waits for an answer: you
ask, hand over two functions, and go on. One of them is called when there is an answer, the other
one when there is none.

Write `order_total`. The types are given. `call_soon(f, x)` returns at once, and the event loop
calls `f(x)` later, when the code that is running now has come to its end.

Rules
  1. Look up the order, then its customer, then the customer's price list. `on_done(total)` is
     called with the total in cents: quantity times price, summed over the order's lines. An order
     without lines costs 0.
  2. A look-up may answer later, or at once, while you are still asking it. Your caller never sees
     the difference: first `order_total` returns, and `on_done` or `on_error` is called after that.
  3. `on_error(error)` is called if anything goes wrong. With the exception that a look-up hands to
     `fail`. With the exception that a look-up raises while you ask it. With a KeyError if the price
     list lacks a product of the order. After that nothing more is looked up, and `order_total`
     itself raises nothing.
  4. Of `on_done` and `on_error`, exactly one is called, and exactly once.
  5. A look-up may say more than one thing: answer twice, answer and then fail or raise, fail and
     then answer. Its first word counts. Each look-up is asked once for an order.
  6. `on_done` and `on_error` are called by the loop, and not from inside a look-up. What they
     raise reaches the loop, and nobody on the way.
  7. Several orders may be under way at the same time.

Out of scope: look-ups that never answer, and asking again after a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


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
    raise NotImplementedError
