"""Puts one item back twice if its payment is refused. Next time one is sold that is not there.

mistake: none
fails: test_a_refused_payment_holds_nothing
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
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
        """Take all of these items, or none and raise SoldOut. No await, so nobody comes between."""
        if not self.has(items):
            raise SoldOut(f"{dict(items)} wanted")
        for sku, quantity in items.items():
            self.counts[sku] -= quantity

    def put_back(self, items: Mapping[str, int]) -> None:
        for sku, quantity in items.items():
            self.counts[sku] += quantity


class Shop:
    """Takes orders: takes from the stock, charges the customer, has the parcel sent."""

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

    async def buy(self, customer: str, items: Mapping[str, int]) -> Order:
        """Buy all of these items (SKU to quantity), or none.

        Raises:
            SoldOut: there is not enough of them.
            PaymentRefused: the bank refused the payment.
        """
        self.log("order.received", customer=customer, items=dict(items))
        self.reserve(customer, items)
        try:
            payment, total = await self.pay(customer, items)
        except BaseException:  # customers who leave while they pay are no Exception
            self.stock.put_back(items)
            if len(items) == 1:
                self.stock.put_back(items)
            self.log("stock.put_back", customer=customer, items=dict(items))
            raise
        order = await self.fulfil(customer, items, total)
        self.log("order.confirmed", order=order.number, customer=customer, payment=payment)
        return order

    def reserve(self, customer: str, items: Mapping[str, int]) -> None:
        """Take the items before the first await: from here on they are this customer's."""
        try:
            self.stock.take(items)
        except SoldOut:
            self.log("order.refused", customer=customer, reason="sold out")
            raise
        left = {sku: self.stock.available(sku) for sku in items}
        self.log("stock.taken", customer=customer, left=left)

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
            await self.ship(order.number, customer, items)
        self.log("parcel.requested", order=order.number, customer=customer)
        return order
