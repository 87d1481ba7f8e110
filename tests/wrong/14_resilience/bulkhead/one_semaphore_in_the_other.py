"""Two semaphores, in the better order: the dependency's first, then one of all places.

Nobody sits on a place for nothing. But who waits for payment's semaphore does not stand in the line
for a place yet, and when both are free, somebody is served who came long after.

mistake: jumps-the-queue
fails: test_who_has_waited_longest_is_next, test_a_busy_day_goes_by_the_rules
"""

import asyncio
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
        self.all = asyncio.Semaphore(total)
        self.mine = {name: asyncio.Semaphore(limit.at_once) for name, limit in limits.items()}
        self.waiting = dict.fromkeys(limits, 0)

    async def call(self, name, operation):
        limit, mine = self.limits[name], self.mine[name]
        must_wait = mine.locked() or self.all.locked()
        if must_wait and self.waiting[name] >= limit.waiting:
            raise BulkheadFull(name)
        if must_wait:
            self.waiting[name] += 1
        try:
            async with asyncio.timeout(limit.patience):
                await mine.acquire()
                try:
                    await self.all.acquire()
                except BaseException:
                    mine.release()
                    raise
        except TimeoutError:
            raise BulkheadFull(name) from None
        finally:
            if must_wait:
                self.waiting[name] -= 1
        try:
            return await operation()
        finally:
            self.all.release()
            mine.release()
