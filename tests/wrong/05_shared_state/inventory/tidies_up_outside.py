"""Puts everything back, on the way out: behind the `async with`, where the locks are free again.

Whoever stood in line has looked at the count already. With nobody in line nothing goes wrong.

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

    async def reserve(self, items):
        before = {}
        try:
            async with AsyncExitStack() as stack:
                for sku in sorted(items):
                    await stack.enter_async_context(self.locks[sku])
                counts = {sku: await self.warehouse.count(sku) for sku in items}
                if any(counts[sku] < quantity for sku, quantity in items.items()):
                    raise SoldOut
                before = counts
                for sku, quantity in items.items():
                    await self.warehouse.set_count(sku, before[sku] - quantity)
        except asyncio.CancelledError:
            for sku in before:
                await self.warehouse.set_count(sku, before[sku])
            raise
