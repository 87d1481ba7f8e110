"""Fair to the letter: one line, and the first in it is the next.

The first one waits for payment, and behind it stands the whole shop.

mistake: head-of-line-blocking
fails: test_who_waits_holds_up_no_other_name, test_one_who_cannot_begin_is_passed_by,
       test_a_slow_day, test_each_dependency_has_its_limit,
       test_nobody_waits_longer_than_their_patience,
       test_who_finds_the_queue_full_is_refused_at_once, test_a_busy_day_goes_by_the_rules
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
        if self.fits(name) and not self.line:
            self.running[name] += 1
        else:
            await self.stand_in_line(name, limit)
        try:
            return await operation()
        finally:
            self.running[name] -= 1
            self.next()

    def fits(self, name):
        return self.running.total() < self.total and self.running[name] < self.limits[name].at_once

    def next(self):
        while self.line:
            name, turn = self.line[0]
            if not self.fits(name):
                return
            self.line.pop(0)
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
            self.next()
            raise BulkheadFull(name)

    def leave_line(self, entry):
        name, turn = entry
        if turn.done():
            self.running[name] -= 1
            self.next()
        else:
            self.line.remove(entry)
            self.next()
