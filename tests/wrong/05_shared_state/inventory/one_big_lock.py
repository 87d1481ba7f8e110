"""One lock around everything: correct, and one customer at a time.

mistake: global-lock
fails: test_strangers_do_not_wait, test_a_queue_for_one_item_holds_up_nobody_else,
    test_cancelled_in_the_queue_it_leaves_nothing_behind
"""

import asyncio


class SoldOut(Exception):
    pass


class Inventory:
    def __init__(self, warehouse):
        self.warehouse = warehouse
        self.lock = asyncio.Lock()

    async def reserve(self, items):
        async with self.lock:
            before = {sku: await self.warehouse.count(sku) for sku in items}
            for sku, quantity in items.items():
                if before[sku] < quantity:
                    raise SoldOut(sku)
            try:
                for sku, quantity in items.items():
                    await self.warehouse.set_count(sku, before[sku] - quantity)
            except BaseException:
                for sku, count in before.items():
                    await self.warehouse.set_count(sku, count)
                raise
