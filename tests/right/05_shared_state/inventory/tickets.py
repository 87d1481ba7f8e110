"""Every order joins the queues of all its items in one step, and begins when it leads all of them.

No locks at all. As an order joins its queues without an await in between, whoever came first is
first in every queue, so somebody can always go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping


class SoldOut(Exception):
    pass


class Ticket(asyncio.Event):
    def __init__(self, items: Mapping[str, int]) -> None:
        super().__init__()
        self.items = items


class Inventory:
    def __init__(self, warehouse) -> None:
        self._warehouse = warehouse
        self._queues: dict[str, list[Ticket]] = {}

    async def reserve(self, items: Mapping[str, int]) -> None:
        ticket = Ticket(items)
        for sku in items:
            self._queues.setdefault(sku, []).append(ticket)
        self._call_those_who_lead(items)
        try:
            await ticket.wait()
            await self._take(items)
        finally:
            for sku in items:
                self._queues[sku].remove(ticket)
            self._call_those_who_lead(items)

    def _call_those_who_lead(self, skus) -> None:
        for sku in skus:
            for first in self._queues[sku][:1]:
                if all(self._queues[other][0] is first for other in first.items):
                    first.set()

    async def _take(self, items: Mapping[str, int]) -> None:
        warehouse = self._warehouse
        counts = await asyncio.gather(*map(warehouse.count, items))
        before = dict(zip(items, counts, strict=True))
        if any(before[sku] < quantity for sku, quantity in items.items()):
            raise SoldOut(items)
        try:
            await asyncio.gather(
                *(warehouse.set_count(sku, before[sku] - n) for sku, n in items.items())
            )
        except asyncio.CancelledError:
            await asyncio.gather(*(warehouse.set_count(sku, n) for sku, n in before.items()))
            raise
