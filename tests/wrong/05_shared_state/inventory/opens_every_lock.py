"""Gives back every lock of the order on its way out: also one that it was still waiting for.

`if locked()` was added when a free lock raised RuntimeError. It asks whether somebody has it.

mistake: over-release
fails: test_cancelled_in_the_queue_it_leaves_nothing_behind
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
        try:
            for sku in sorted(items):
                await self.locks[sku].acquire()
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
        finally:
            for sku in items:
                if self.locks[sku].locked():
                    self.locks[sku].release()
