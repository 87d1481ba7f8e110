"""Sorts the locks, but by something in which two items can be equal: then the customer decides.

mistake: lock-order
fails: test_orders_that_cross_both_end
"""

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack


class SoldOut(Exception):
    pass


class Inventory:
    def __init__(self, warehouse):
        self.warehouse = warehouse
        self.locks = defaultdict(asyncio.Lock)

    async def reserve(self, items):
        async with AsyncExitStack() as stack:
            for sku in sorted(items, key=len):
                await stack.enter_async_context(self.locks[sku])
            before = {sku: await self.warehouse.count(sku) for sku in items}
            if any(before[sku] < quantity for sku, quantity in items.items()):
                raise SoldOut
            try:
                for sku, quantity in items.items():
                    await self.warehouse.set_count(sku, before[sku] - quantity)
            except BaseException:
                for sku in items:
                    await self.warehouse.set_count(sku, before[sku])
                raise
