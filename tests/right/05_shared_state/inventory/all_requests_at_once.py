"""Asks for all counts at the same time, and sets them at the same time; locks by hand."""

import asyncio
from collections import defaultdict


class SoldOut(Exception):
    pass


class Inventory:
    def __init__(self, warehouse):
        self.warehouse = warehouse
        self.locks = defaultdict(asyncio.Lock)

    async def reserve(self, items):
        skus, taken = sorted(items), []
        try:
            for sku in skus:
                await self.locks[sku].acquire()
                taken.append(sku)
            async with asyncio.TaskGroup() as group:
                asked = {sku: group.create_task(self.warehouse.count(sku)) for sku in skus}
            before = {sku: task.result() for sku, task in asked.items()}
            if any(before[sku] < items[sku] for sku in skus):
                raise SoldOut
            try:
                await self.set_all({sku: before[sku] - items[sku] for sku in skus})
            except BaseException:
                await self.set_all(before)
                raise
        finally:
            for sku in reversed(taken):
                self.locks[sku].release()

    async def set_all(self, counts):
        await asyncio.gather(*(self.warehouse.set_count(*pair) for pair in counts.items()))
