"""An exit stack of what would undo each step, and locks that are gone when nobody needs them."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager


class SoldOut(Exception):
    pass


class Inventory:
    def __init__(self, warehouse):
        self.warehouse = warehouse
        self.locks = {}

    @asynccontextmanager
    async def held(self, sku):
        entry = self.locks.setdefault(sku, [asyncio.Lock(), 0])
        entry[1] += 1
        try:
            async with entry[0]:
                yield
        finally:
            entry[1] -= 1
            if not entry[1]:
                del self.locks[sku]

    async def reserve(self, items):

        async with AsyncExitStack() as held:
            for sku in sorted(items, reverse=True):
                await held.enter_async_context(self.held(sku))
            undo = AsyncExitStack()
            counts = await asyncio.gather(*[self.warehouse.count(s) for s in items])
            if any(c < n for c, n in zip(counts, items.values(), strict=True)):
                raise SoldOut
            async with undo:
                for (sku, n), c in zip(items.items(), counts, strict=True):
                    undo.push_async_callback(self.warehouse.set_count, sku, c)
                    await self.warehouse.set_count(sku, c - n)
                undo.pop_all()
