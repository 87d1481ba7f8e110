"""Everything is right, until a customer gives up between the first item and the second.

mistake: half-reserved
fails: test_cancelled_anywhere_it_takes_nothing, test_cancelled_before_somebody_elses_eyes
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
            for sku in sorted(items):
                await stack.enter_async_context(self.locks[sku])
            counts = {sku: await self.warehouse.count(sku) for sku in items}
            for sku, quantity in items.items():
                if counts[sku] < quantity:
                    raise SoldOut(sku)
            for sku, quantity in items.items():
                await self.warehouse.set_count(sku, counts[sku] - quantity)
