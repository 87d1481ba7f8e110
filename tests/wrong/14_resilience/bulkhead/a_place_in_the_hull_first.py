"""Two semaphores: first one of all places, then one of the dependency's.

Who waits for payment has got one of all places already. The walls stand, and the water comes over
the top.

mistake: waits-with-a-place
also: head-of-line-blocking
fails: test_who_waits_holds_up_no_other_name, test_one_who_cannot_begin_is_passed_by,
       test_who_finds_the_queue_full_is_refused_at_once, test_a_slow_day,
       test_who_has_waited_longest_is_next, test_each_dependency_has_its_limit,
       test_nobody_waits_longer_than_their_patience, test_all_together_have_a_limit,
       test_a_refused_call_leaves_nothing_behind, test_a_busy_day_goes_by_the_rules
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
        if (self.all.locked() or mine.locked()) and self.waiting[name] >= limit.waiting:
            raise BulkheadFull(name)
        self.waiting[name] += 1
        try:
            async with asyncio.timeout(limit.patience):
                await self.all.acquire()
                try:
                    await mine.acquire()
                except BaseException:
                    self.all.release()
                    raise
        except TimeoutError:
            raise BulkheadFull(name) from None
        finally:
            self.waiting[name] -= 1
        try:
            return await operation()
        finally:
            mine.release()
            self.all.release()
