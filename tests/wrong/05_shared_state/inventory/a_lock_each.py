"""Makes the lock inside reserve: each order has one of its own, and none ever waits.

mistake: check-then-act
fails: test_the_last_item_is_sold_once, test_every_sale_is_counted_once,
    test_cancelled_before_somebody_elses_eyes, test_cancelled_in_the_queue_it_leaves_nothing_behind
"""

import asyncio


class SoldOut(Exception):
    pass


class Inventory:
    def __init__(self, warehouse):
        self.warehouse = warehouse

    async def reserve(self, items):
        lock = asyncio.Lock()
        async with lock:
            before = {sku: await self.warehouse.count(sku) for sku in items}
            if any(before[sku] < n for sku, n in items.items()):
                raise SoldOut
            try:
                for sku, n in items.items():
                    await self.warehouse.set_count(sku, before[sku] - n)
            except asyncio.CancelledError:
                for sku, n in before.items():
                    await self.warehouse.set_count(sku, n)
                raise
