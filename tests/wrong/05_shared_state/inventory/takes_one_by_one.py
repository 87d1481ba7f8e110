"""Takes an item, keeps its lock, goes on to the next, and puts back on the way out.

The locks come in the customer's order, by recursion, which hides it well.

mistake: lock-order
fails: test_orders_that_cross_both_end
"""

import asyncio


class SoldOut(Exception):
    pass


class Inventory:
    def __init__(self, warehouse):
        self.warehouse = warehouse
        self.locks = {}

    async def reserve(self, items):
        await self._take(list(items.items()))

    async def _take(self, rest):
        if not rest:
            return
        (sku, quantity), *others = rest
        lock = self.locks.setdefault(sku, asyncio.Semaphore(1))
        async with lock:
            count = await self.warehouse.count(sku)
            if count < quantity:
                raise SoldOut(sku)
            try:
                await self.warehouse.set_count(sku, count - quantity)
                await self._take(others)
            except BaseException:
                await self.warehouse.set_count(sku, count)
                raise
