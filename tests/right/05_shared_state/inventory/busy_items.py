"""One condition and a set of items that somebody is busy with: all are taken in one step.

No lock is ever held while waiting for another, so there is no order to keep.
"""

import asyncio


class SoldOut(Exception):
    def __init__(self, sku, wanted, there):
        super().__init__(f"{wanted} of {sku} wanted, {there} there")


class Inventory:
    def __init__(self, warehouse):
        self.warehouse = warehouse
        self.busy = set()
        self.changed = asyncio.Condition()

    async def reserve(self, items):
        async with self.changed:
            await self.changed.wait_for(lambda: self.busy.isdisjoint(items))
            self.busy.update(items)
        try:
            await self.take(items)
        finally:
            self.busy.difference_update(items)
            # Not a task's turn later, and not cancellable: nobody holds the condition's lock
            # across an await, so it is free now.
            async with self.changed:
                self.changed.notify_all()

    async def take(self, items):
        before = {sku: await self.warehouse.count(sku) for sku in items}
        for sku, wanted in items.items():
            if before[sku] < wanted:
                raise SoldOut(sku, wanted, before[sku])
        done = False
        try:
            for sku, wanted in items.items():
                await self.warehouse.set_count(sku, before[sku] - wanted)
            done = True
        finally:
            if not done:
                for sku, count in before.items():
                    await self.warehouse.set_count(sku, count)
