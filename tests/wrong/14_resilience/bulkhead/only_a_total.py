"""One limit for everything, "we have ten places".

Payment is slow, and soon has all ten.

mistake: one-slow-starves-all
fails: test_each_dependency_has_its_limit, test_who_finds_the_queue_full_is_refused_at_once,
       test_nobody_waits_longer_than_their_patience, test_who_waits_holds_up_no_other_name,
       test_one_who_cannot_begin_is_passed_by, test_who_comes_back_at_once_stands_behind,
       test_a_failed_call_leaves_its_place, test_a_refused_call_leaves_nothing_behind,
       test_cancelled_anywhere_the_place_is_free, test_under_way_until_it_has_cleaned_up,
       test_who_has_waited_longest_is_next, test_who_has_left_the_queue_is_gone, test_a_slow_day,
       test_all_together_have_a_limit, test_a_busy_day_goes_by_the_rules
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
        self.line = []

    async def call(self, name, operation):
        limit = self.limits[name]
        if self.fits(name):
            self.running[name] += 1
        else:
            await self.stand_in_line(name, limit)
        try:
            return await operation()
        finally:
            self.running[name] -= 1
            self.next()

    def fits(self, name):
        return self.running.total() < self.total

    def next(self):
        for entry in list(self.line):
            name, turn = entry
            if self.fits(name) and not turn.done():
                self.line.remove(entry)
                self.running[name] += 1
                turn.set_result(None)

    async def stand_in_line(self, name, limit):
        if [other for other, _ in self.line].count(name) >= limit.waiting:
            raise BulkheadFull(name)
        turn = asyncio.get_running_loop().create_future()
        entry = (name, turn)
        self.line.append(entry)
        try:
            await asyncio.wait({turn}, timeout=limit.patience)
        except asyncio.CancelledError:
            self.leave_line(entry)
            raise
        if not turn.done():
            self.line.remove(entry)
            raise BulkheadFull(name)

    def leave_line(self, entry):
        name, turn = entry
        if turn.done():
            self.running[name] -= 1
            self.next()
        else:
            self.line.remove(entry)
