"""Takes in a task that nobody cancels; if the order was cancelled meanwhile, it puts all back."""

import asyncio


class SoldOut(Exception):
    pass


class Inventory:
    def __init__(self, warehouse):
        self.warehouse = warehouse
        self.locks = {}

    async def reserve(self, items):
        await self._locked(sorted(items), items)

    async def _locked(self, rest, items):
        if rest:
            async with self.locks.setdefault(rest[0], asyncio.Lock()):
                return await self._locked(rest[1:], items)
        work = asyncio.ensure_future(self._take(items))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            try:
                before = await work
            except SoldOut:
                pass
            else:
                for sku, n in before.items():
                    await self.warehouse.set_count(sku, n)
            raise

    async def _take(self, items):
        before = {}
        for sku in items:
            before[sku] = await self.warehouse.count(sku)
        short = {sku: n for sku, n in items.items() if n > before[sku]}
        if short:
            raise SoldOut(short)
        for sku, n in items.items():
            await self.warehouse.set_count(sku, before[sku] - n)
        return before
