"""Takes the locks in the order in which the customer names the items.

ada wants a lamp and a kettle, bob wants a kettle and a lamp: each takes the first, and waits for
the other one.

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
            for sku in items:
                await stack.enter_async_context(self.locks[sku])
            before = {}
            for sku, quantity in items.items():
                before[sku] = await self.warehouse.count(sku)
                if before[sku] < quantity:
                    raise SoldOut(f"{sku}: {before[sku]} left")
            try:
                for sku, quantity in items.items():
                    await self.warehouse.set_count(sku, before[sku] - quantity)
            except BaseException:
                for sku, count in before.items():
                    await self.warehouse.set_count(sku, count)
                raise
