"""The try begins where the call does, so that nothing can be forgotten.

Who is cancelled in the queue, or refused, gives back a place that somebody else is using.

mistake: over-release
fails: test_cancelled_anywhere_the_place_is_free, test_a_refused_call_leaves_nothing_behind,
       test_who_has_left_the_queue_is_gone, test_who_finds_the_queue_full_is_refused_at_once,
       test_nobody_waits_longer_than_their_patience, test_a_slow_day,
       test_cancelled_as_it_is_given_a_place, test_out_of_patience_as_a_place_is_free,
       test_a_busy_day_goes_by_the_rules
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
        try:
            if self.fits(name):
                self.running[name] += 1
            else:
                await self.stand_in_line(name, limit)
            return await operation()
        finally:
            self.running[name] -= 1
            self.next()

    def fits(self, name):
        return self.running.total() < self.total and self.running[name] < self.limits[name].at_once

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
        _, turn = entry
        if not turn.done():
            self.line.remove(entry)
