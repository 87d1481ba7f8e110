"""Keeps the counts itself: it is the only one who changes them, so what it has read stays true.

Deciding takes no await at all. What is left to the locks is that the warehouse is told of the
newest count last.
"""

import asyncio
from collections import defaultdict


class SoldOut(Exception):
    pass


class Inventory:
    def __init__(self, warehouse):
        self.warehouse = warehouse
        self.counts = {}
        self.locks = defaultdict(asyncio.Lock)

    async def reserve(self, items):
        for sku in items:
            await self.learn(sku)
        for sku, quantity in items.items():
            if self.counts[sku] < quantity:
                raise SoldOut(f"{quantity} x {sku}")
        for sku, quantity in items.items():
            self.counts[sku] -= quantity
        try:
            for sku in items:
                await self.tell(sku)
        except asyncio.CancelledError:
            for sku, quantity in items.items():
                self.counts[sku] += quantity
            for sku in items:
                await self.tell(sku)
            raise

    async def learn(self, sku):
        async with self.locks[sku]:
            if sku not in self.counts:
                self.counts[sku] = await self.warehouse.count(sku)

    async def tell(self, sku):
        async with self.locks[sku]:
            await self.warehouse.set_count(sku, self.counts[sku])
