"""Has a lock for each item, and holds it while it writes: the look has been before that.

"We have a lock there" is what was said in the meeting.

mistake: check-then-act
fails: test_the_last_item_is_sold_once, test_every_sale_is_counted_once,
    test_cancelled_before_somebody_elses_eyes, test_cancelled_in_the_queue_it_leaves_nothing_behind
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping


class SoldOut(Exception):
    """There are too few."""


class Inventory:
    def __init__(self, warehouse) -> None:
        self.warehouse = warehouse
        self.locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def reserve(self, items: Mapping[str, int]) -> None:
        skus = sorted(items)
        counts = await asyncio.gather(*(self.warehouse.count(sku) for sku in skus))
        before = dict(zip(skus, counts, strict=True))
        if any(before[sku] < items[sku] for sku in skus):
            raise SoldOut(", ".join(skus))
        try:
            for sku in skus:
                async with self.locks[sku]:
                    await self.warehouse.set_count(sku, before[sku] - items[sku])
        except BaseException:
            for sku in skus:
                await self.warehouse.set_count(sku, before[sku])
            raise
