"""The queue has patience, so it needs no bound.

With 500 calls a second and a patience of ten seconds it is 5,000 long, each with its request and
its customer.

mistake: unbounded-queue
fails: test_who_finds_the_queue_full_is_refused_at_once, test_a_refused_call_leaves_nothing_behind,
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
        return self.running.total() < self.total and self.running[name] < self.limits[name].at_once

    def next(self):
        for entry in list(self.line):
            name, turn = entry
            if self.fits(name) and not turn.done():
                self.line.remove(entry)
                self.running[name] += 1
                turn.set_result(None)

    async def stand_in_line(self, name, limit):
        if not limit.waiting:
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
