"""A Condition: whoever ends tells all, and they look whether there is a place now.

Between the telling and the looking somebody comes who need not be told.

mistake: jumps-the-queue
fails: test_who_comes_back_at_once_stands_behind
"""

import asyncio
from collections import Counter
from dataclasses import dataclass


class BulkheadFull(Exception):
    pass


@dataclass(frozen=True)
class Limit:
    at_once: int
    waiting: int
    patience: float


class Bulkhead:
    def __init__(self, limits, *, total):
        self.limits = limits
        self.total = total
        self.running = Counter()
        self.waiting = Counter()
        self.changed = asyncio.Event()

    async def call(self, name, operation):
        limit = self.limits[name]
        if not self.fits(name):
            if self.waiting[name] >= limit.waiting:
                raise BulkheadFull(name)
            self.waiting[name] += 1
            try:
                async with asyncio.timeout(limit.patience):
                    while not self.fits(name):
                        await self.changed.wait()
            except TimeoutError:
                raise BulkheadFull(name) from None
            finally:
                self.waiting[name] -= 1
        self.running[name] += 1
        try:
            return await operation()
        finally:
            self.running[name] -= 1
            self.changed.set()
            self.changed = asyncio.Event()

    def fits(self, name):
        mine = self.running[name] < self.limits[name].at_once
        return mine and self.running.total() < self.total
