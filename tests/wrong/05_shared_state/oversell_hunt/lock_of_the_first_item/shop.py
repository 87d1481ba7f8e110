"""A lock for each item, and an order takes the one of its first item only.

Two orders that share their second item do not meet at any lock.

mistake: check-then-act
fails: test_what_two_orders_share_is_sold_once
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any


class SoldOut(Exception):
    """There is not enough in stock for an order."""


class PaymentRefused(Exception):
    """The bank says no. Raised by charge."""


@dataclass(frozen=True)
class Order:
    """What a customer has bought: SKU to quantity, and the total in cents."""

    number: int
    customer: str
    items: Mapping[str, int]
    total: int


Charge = Callable[[str, int], Awaitable[str]]
"""customer, cents -> the payment's id; takes as long as a bank takes."""
Refund = Callable[[str], Awaitable[None]]
"""the payment's id; gives back all of it."""
Ship = Callable[[int, str, Mapping[str, int]], Awaitable[None]]
"""order number, customer, items; tells the warehouse to send a parcel."""
Log = Callable[..., None]
"""event, and fields by name."""


def no_log(event: str, **fields: Any) -> None:
    """For those who do not want to know."""


class Stock:
    """How many there are of each item."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.counts = dict(counts)

    def available(self, sku: str) -> int:
        return self.counts.get(sku, 0)

    def has(self, items: Mapping[str, int]) -> bool:
        return all(self.available(sku) >= quantity for sku, quantity in items.items())

    def take(self, items: Mapping[str, int]) -> None:
        for sku, quantity in items.items():
            # The product page showed "-1 left" once (INC-388).
            self.counts[sku] = max(0, self.available(sku) - quantity)


class Shop:
    """Takes orders: looks at the stock, charges the customer, has the parcel sent."""

    def __init__(
        self,
        *,
        stock: Mapping[str, int],
        prices: Mapping[str, int],
        charge: Charge,
        refund: Refund,
        ship: Ship,
        log: Log = no_log,
    ) -> None:
        self.stock = Stock(stock)
        self.prices = prices
        self.charge = charge
        self.refund = refund
        self.ship = ship
        self.log = log
        self.last_number = 1000
        # Two parcels had the same number once (INC-371): one order at a time here.
        self.shipping = asyncio.Lock()
        self.locks = defaultdict(asyncio.Lock)

    async def buy(self, customer: str, items: Mapping[str, int]) -> Order:
        """Buy all of these items (SKU to quantity), or none.

        Raises:
            SoldOut: there is not enough of them.
            PaymentRefused: the bank refused the payment.
        """
        self.log("order.received", customer=customer, items=dict(items))
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.locks[min(items)])
            self.check_stock(customer, items)
            payment, total = await self.pay(customer, items)
            order = await self.fulfil(customer, items, total)
        self.log("order.confirmed", order=order.number, customer=customer, payment=payment)
        return order

    def check_stock(self, customer: str, items: Mapping[str, int]) -> None:
        available = {sku: self.stock.available(sku) for sku in items}
        self.log("stock.checked", customer=customer, available=available)
        if not self.stock.has(items):
            self.log("order.refused", customer=customer, reason="sold out")
            raise SoldOut(f"{dict(items)} wanted, {available} there")

    async def pay(self, customer: str, items: Mapping[str, int]) -> tuple[str, int]:
        total = sum(self.prices[sku] * quantity for sku, quantity in items.items())
        self.log("payment.started", customer=customer, cents=total)
        try:
            payment = await self.charge(customer, total)
        except PaymentRefused as error:
            self.log("payment.refused", customer=customer, reason=str(error))
            raise
        self.log("payment.done", customer=customer, payment=payment)
        return payment, total

    async def fulfil(self, customer: str, items: Mapping[str, int], total: int) -> Order:
        async with self.shipping:
            self.last_number += 1
            order = Order(self.last_number, customer, dict(items), total)
            self.stock.take(items)
            left = {sku: self.stock.available(sku) for sku in items}
            self.log("stock.taken", order=order.number, customer=customer, left=left)
            await self.ship(order.number, customer, items)
        self.log("parcel.requested", order=order.number, customer=customer)
        return order
