"""Keeps the locks in the module: a kettle of one shop waits for that of another.

mistake: none
fails: test_a_queue_for_one_item_holds_up_nobody_else
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Protocol


class Warehouse(Protocol):
    """Keeps the counts, far away."""

    async def count(self, sku: str) -> int:
        """How many of an item are there; 0 for an item it has never seen."""

    async def set_count(self, sku: str, count: int) -> None:
        """From now on there are `count` of this item."""


class SoldOut(Exception):
    """There are too few of an item to take as many as an order wants."""


LOCKS = defaultdict(asyncio.Lock)


class Inventory:
    """The stock of one shop."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        # One lock for each item: orders for other items have no business waiting here.
        self._locks = LOCKS

    async def reserve(self, items: Mapping[str, int]) -> None:
        """Take each item (SKU) so many times (1 or more), or raise SoldOut and take none."""
        async with AsyncExitStack() as stack:
            # Sorted, so that two orders never each hold what the other one wants.
            for sku in sorted(items):
                await stack.enter_async_context(self._locks[sku])
            await self._take(items)

    async def _take(self, items: Mapping[str, int]) -> None:
        """Take the items; the locks of all of them are held."""
        before = {sku: await self.warehouse.count(sku) for sku in items}
        for sku, quantity in items.items():
            if before[sku] < quantity:
                raise SoldOut(f"{quantity} of {sku} wanted, {before[sku]} there")
        try:
            for sku, quantity in items.items():
                await self.warehouse.set_count(sku, before[sku] - quantity)
        except BaseException:
            # Cancelled, and nobody knows whether the last request arrived: set them all. The locks
            # are still held, so these are the right numbers.
            for sku, count in before.items():
                await self.warehouse.set_count(sku, count)
            raise
