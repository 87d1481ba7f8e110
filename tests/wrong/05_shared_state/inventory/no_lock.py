"""Looks at every count, and then takes: in between, everybody else looks at the same counts.

One customer at a time it is perfect, and so it is in every test that buys one thing after another.

mistake: check-then-act
fails: test_the_last_item_is_sold_once, test_every_sale_is_counted_once,
    test_cancelled_before_somebody_elses_eyes, test_cancelled_in_the_queue_it_leaves_nothing_behind
"""


class SoldOut(Exception):
    pass


class Inventory:
    def __init__(self, warehouse):
        self.warehouse = warehouse

    async def reserve(self, items):
        counts = {}
        for sku, quantity in items.items():
            counts[sku] = await self.warehouse.count(sku)
            if counts[sku] < quantity:
                raise SoldOut(sku)
        try:
            for sku, quantity in items.items():
                await self.warehouse.set_count(sku, counts[sku] - quantity)
        except BaseException:
            for sku in counts:
                await self.warehouse.set_count(sku, counts[sku])
            raise
