"""Shops that look the same from outside: correct ones, and ones that are broken in other ways.

A regression test is tried on all of them. Each is a namespace with what a module `shop` has.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

from . import friday
from .friday import Order, PaymentRefused, SoldOut

Items = Mapping[str, int]
Kind = type[Any]
"""A class that is made and called as `friday.Shop` is."""


class _Shop(friday.Shop):
    """What the variants share."""

    def take(self, items: Items) -> None:
        """Look and take, with no await in between."""
        if not self.stock.has(items):
            raise SoldOut(dict(items))
        self.stock.take(items)

    def put_back(self, items: Items) -> None:
        for sku, quantity in items.items():
            self.stock.counts[sku] += quantity

    async def send(self, customer: str, items: Items, total: int) -> Order:
        self.last_number += 1
        order = Order(self.last_number, customer, dict(items), total)
        await self.ship(order.number, customer, items)
        return order


class ReservesFirst(_Shop):
    """Takes the items before it charges, and puts them back if the payment fails."""

    async def buy(self, customer: str, items: Items) -> Order:
        self.take(items)
        try:
            _, total = await self.pay(customer, items)
        except BaseException:
            self.put_back(items)
            raise
        return await self.send(customer, items, total)


class HoldsItems(_Shop):
    """Counts what is held for orders under way apart from what is on the shelf."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.held: defaultdict[str, int] = defaultdict(int)

    async def buy(self, customer: str, items: Items) -> Order:
        if any(self.stock.available(sku) - self.held[sku] < n for sku, n in items.items()):
            raise SoldOut(dict(items))
        for sku, quantity in items.items():
            self.held[sku] += quantity
        try:
            _, total = await self.pay(customer, items)
            order = await self.send(customer, items, total)
            self.stock.take(items)
            return order
        finally:
            for sku, quantity in items.items():
                self.held[sku] -= quantity


class LocksItems(_Shop):
    """A lock for each item, from the look to the shipping: customers wait in line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def buy(self, customer: str, items: Items) -> Order:
        async with AsyncExitStack() as stack:
            for sku in sorted(items):
                await stack.enter_async_context(self.locks[sku])
            self.check_stock(customer, items)
            _, total = await self.pay(customer, items)
            self.stock.take(items)
            return await self.send(customer, items, total)


class OneAtATime(_Shop):
    """One lock around everything: slow, and correct."""

    async def buy(self, customer: str, items: Items) -> Order:
        async with self.shipping:
            self.check_stock(customer, items)
            _, total = await self.pay(customer, items)
            self.stock.take(items)
            return await self.send(customer, items, total)


class PaysThenLooks(_Shop):
    """Charges first, then looks and takes in one step; whoever comes too late is refunded."""

    async def buy(self, customer: str, items: Items) -> Order:
        payment, total = await self.pay(customer, items)
        try:
            self.take(items)
        except SoldOut:
            await self.refund(payment)
            raise
        return await self.send(customer, items, total)


class HasAQueue(_Shop):
    """Orders stand in a queue, and one task at a time works it off."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.queue: deque[tuple[str, Items, asyncio.Future[Order]]] = deque()
        self.worker: asyncio.Task[None] | None = None

    async def buy(self, customer: str, items: Items) -> Order:
        answer: asyncio.Future[Order] = asyncio.get_running_loop().create_future()
        self.queue.append((customer, items, answer))
        if self.worker is None or self.worker.done():
            self.worker = asyncio.create_task(self.work())
        return await answer

    async def work(self) -> None:
        while self.queue:
            customer, items, answer = self.queue.popleft()
            try:
                self.take(items)
                _, total = await self.pay(customer, items)
                answer.set_result(await self.send(customer, items, total))
            except Exception as error:
                answer.set_exception(error)


class WaitsForOthers:
    """Whoever could have what others are just paying for waits until they have paid, or not.

    It shares nothing with the shop of that night but what is called from outside.
    """

    def __init__(
        self,
        *,
        stock: Items,
        prices: Items,
        charge: friday.Charge,
        refund: friday.Refund,
        ship: friday.Ship,
        log: friday.Log = friday.no_log,
    ) -> None:
        self._shelf = Counter(stock)
        self._held: Counter[str] = Counter()
        self._changed = asyncio.Condition()
        self._numbers = itertools.count(1)
        self._prices, self._charge, self._ship = prices, charge, ship

    async def buy(self, customer: str, items: Items) -> Order:
        async with self._changed:
            await self._changed.wait_for(lambda: self._is_certain(items))
            if not self._are_there(items):
                raise SoldOut(dict(items))
            self._shelf -= Counter(items)
            self._held += Counter(items)
        total = sum(self._prices[sku] * quantity for sku, quantity in items.items())
        try:
            await self._charge(customer, total)
        except BaseException:
            self._shelf += Counter(items)
            raise
        finally:
            self._held -= Counter(items)
            async with self._changed:
                self._changed.notify_all()
        order = Order(next(self._numbers), customer, dict(items), total)
        await self._ship(order.number, customer, items)
        return order

    def _are_there(self, items: Items) -> bool:
        return all(self._shelf[sku] >= quantity for sku, quantity in items.items())

    def _is_certain(self, items: Items) -> bool:
        """Whether nobody who is paying now can still change what we have to say."""
        at_best = self._shelf + self._held
        return self._are_there(items) or any(at_best[sku] < n for sku, n in items.items())


class LooksTwice(_Shop):
    """Looks once more after the payment. It takes the item when the parcel is on its way."""

    async def buy(self, customer: str, items: Items) -> Order:
        self.check_stock(customer, items)
        payment, total = await self.pay(customer, items)
        if not self.stock.has(items):
            await self.refund(payment)
            raise SoldOut(dict(items))
        order = await self.send(customer, items, total)
        self.stock.take(items)
        return order


class LocksCustomers(_Shop):
    """Has a lock for each customer, so that nobody buys the same thing twice. Two still can."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def buy(self, customer: str, items: Items) -> Order:
        async with self.locks[customer]:
            self.check_stock(customer, items)
            _, total = await self.pay(customer, items)
            self.stock.take(items)
            return await self.send(customer, items, total)


class ShipsThenCounts(_Shop):
    """Sends the parcel, then counts: who comes too late is refunded, and has a parcel as well."""

    async def buy(self, customer: str, items: Items) -> Order:
        self.check_stock(customer, items)
        payment, total = await self.pay(customer, items)
        order = await self.send(customer, items, total)
        try:
            self.take(items)
        except SoldOut:
            await self.refund(payment)
            raise
        return order


class KeepsOneBack(ReservesFirst):
    """Never sells the last one, to be on the safe side."""

    def take(self, items: Items) -> None:
        if any(self.stock.available(sku) <= quantity for sku, quantity in items.items()):
            raise SoldOut(dict(items))
        self.stock.take(items)


class KeepsTheMoney(_Shop):
    """Charges, then looks and takes in one step, and forgets to refund who comes too late."""

    async def buy(self, customer: str, items: Items) -> Order:
        self.check_stock(customer, items)
        _, total = await self.pay(customer, items)
        self.take(items)
        return await self.send(customer, items, total)


class RefundsTheWrongOne(_Shop):
    """Refunds who has paid first, who got the item, in place of who came too late."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.payments: deque[str] = deque()

    async def buy(self, customer: str, items: Items) -> Order:
        payment, total = await self.pay(customer, items)
        self.payments.append(payment)
        try:
            self.take(items)
        except SoldOut:
            await self.refund(self.payments.popleft())
            raise
        return await self.send(customer, items, total)


def module_of(kind: Kind) -> SimpleNamespace:
    """What a test is handed as `shop`."""
    return SimpleNamespace(
        Shop=kind, SoldOut=SoldOut, PaymentRefused=PaymentRefused, Order=Order, Stock=friday.Stock
    )


CORRECT: tuple[Kind, ...] = (
    *(ReservesFirst, HoldsItems, LocksItems, OneAtATime, PaysThenLooks, HasAQueue),
    WaitsForOthers,
)
OVERSELLING: tuple[Kind, ...] = (*(friday.Shop, LooksTwice, LocksCustomers, ShipsThenCounts),)
OTHERWISE_BROKEN: tuple[Kind, ...] = (KeepsOneBack, KeepsTheMoney, RefundsTheWrongOne)
