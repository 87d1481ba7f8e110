"""Puts back what it has taken in a task of its own, to be gone at once when it is cancelled.

Nobody waits for that task, and the locks do not either.

mistake: late-undo
fails: test_cancelled_before_somebody_elses_eyes
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
        self.tidying = set()

    async def reserve(self, items):
        async with AsyncExitStack() as stack:
            for sku in sorted(items):
                await stack.enter_async_context(self.locks[sku])
            before = {sku: await self.warehouse.count(sku) for sku in items}
            if any(before[sku] < quantity for sku, quantity in items.items()):
                raise SoldOut
            try:
                for sku, quantity in items.items():
                    await self.warehouse.set_count(sku, before[sku] - quantity)
            except BaseException:
                task = asyncio.create_task(self.put_back(before))
                self.tidying.add(task)
                task.add_done_callback(self.tidying.discard)
                raise

    async def put_back(self, before):
        for sku, count in before.items():
            await self.warehouse.set_count(sku, count)
