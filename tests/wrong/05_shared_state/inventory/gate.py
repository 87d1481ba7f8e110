"""Lets one order at a time take its locks, so that no two can cross.

No deadlock, and no sorting. But whoever waits for a lock waits inside the gate, and everybody else
stands in front of it.

mistake: global-lock
fails: test_a_queue_for_one_item_holds_up_nobody_else
"""

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack


class SoldOut(Exception):
    pass


class Inventory:
    def __init__(self, warehouse):
        self.warehouse = warehouse
        self.gate = asyncio.Lock()
        self.locks = defaultdict(asyncio.Lock)

    async def reserve(self, items):
        async with AsyncExitStack() as held:
            async with self.gate:
                for sku in items:
                    await held.enter_async_context(self.locks[sku])
            await self.take(items)

    async def take(self, items):
        before = {sku: await self.warehouse.count(sku) for sku in items}
        if missing := [sku for sku in items if before[sku] < items[sku]]:
            raise SoldOut(missing[0])
        try:
            for sku in items:
                await self.warehouse.set_count(sku, before[sku] - items[sku])
        except BaseException:
            for sku in items:
                await self.warehouse.set_count(sku, before[sku])
            raise
