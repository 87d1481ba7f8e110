"""Reserve items that many customers want at once.

The counts of a shop's stock are kept by a warehouse, somewhere on the network. It knows two
requests, and each takes its time: "how many of this item are there?" and "from now on there are so
many". Customers order several items at once, and they order at the same time. Yours is the only
program that changes the counts.

Write `Inventory.reserve`, and add to `Inventory` what you need for it. `Warehouse` says what you
are handed, and `SoldOut` is given; leave them as they are.

Rules
  1. `reserve(items)` takes every item of an order: afterwards the warehouse has as many fewer of
     each as the order says.
  2. If there are too few of any of them, SoldOut is raised, and nothing is taken: all counts are
     as before.
  3. However many orders run at once: nothing is sold that is not there, and everything that is
     sold is taken off its count, once.
  4. Orders that have no item in common do not wait for each other, however long the warehouse
     thinks about one of them. (Orders that have one in common may wait.)
  5. Every order comes to an end, in whatever order it names its items.
  6. If `reserve` is cancelled, nothing of the order stays taken, the cancellation goes on to the
     caller, and later orders find nothing in their way.

A request that is cancelled may have reached the warehouse, or not: nobody knows. Setting a count
to the same number twice does no harm.

Out of scope: a warehouse that fails, and a second cancellation while you clean up after the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Warehouse(Protocol):
    """Keeps the counts, far away."""

    async def count(self, sku: str) -> int:
        """How many of an item are there; 0 for an item it has never seen."""

    async def set_count(self, sku: str, count: int) -> None:
        """From now on there are `count` of this item."""


class SoldOut(Exception):
    """There are too few of an item to take as many as an order wants."""


class Inventory:
    """The stock of one shop."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    async def reserve(self, items: Mapping[str, int]) -> None:
        """Take each item (SKU) so many times (1 or more), or raise SoldOut and take none."""
        raise NotImplementedError
