"""Takes the locks as they come, and gives all of them back if one is not free at once.

Nobody waits while holding anything. (It takes turns with a pause between them, which is no beauty,
and no deadlock either.)
"""

import asyncio
from collections import defaultdict

PAUSE = 0.01


class SoldOut(Exception):
    pass


class Inventory:
    def __init__(self, warehouse):
        self.warehouse = warehouse
        self.taken = defaultdict(bool)

    async def reserve(self, items):
        while any(self.taken[sku] for sku in items):  # noqa: ASYNC110
            await asyncio.sleep(PAUSE)
        for sku in items:
            self.taken[sku] = True
        before = {}
        try:
            for sku, quantity in items.items():
                before[sku] = await self.warehouse.count(sku)
                if before[sku] < quantity:
                    raise SoldOut(sku)
            for sku, quantity in items.items():
                await self.warehouse.set_count(sku, before[sku] - quantity)
        except asyncio.CancelledError:
            for sku, count in before.items():
                await self.warehouse.set_count(sku, count)
            raise
        finally:
            for sku in items:
                self.taken[sku] = False
