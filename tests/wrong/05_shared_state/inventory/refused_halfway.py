"""Checks and takes item by item: refused at the second one, it keeps the first.

mistake: half-reserved
fails: test_an_order_that_cannot_be_met_takes_nothing, test_cancelled_anywhere_it_takes_nothing,
    test_cancelled_in_the_queue_it_leaves_nothing_behind, test_cancelled_before_somebody_elses_eyes
"""

import asyncio
from collections import defaultdict


class SoldOut(Exception):
    pass


class Inventory:
    def __init__(self, warehouse):
        self.warehouse = warehouse
        self.locks = defaultdict(asyncio.Lock)

    async def reserve(self, items):
        for sku, quantity in items.items():
            async with self.locks[sku]:
                count = await self.warehouse.count(sku)
                if count < quantity:
                    raise SoldOut(f"only {count} of {sku}")
                await self.warehouse.set_count(sku, count - quantity)
