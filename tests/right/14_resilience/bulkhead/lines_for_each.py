"""A deque for each name, numbers to compare their heads, and a place that is a context manager."""

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count


class BulkheadFull(Exception):
    pass


@dataclass(frozen=True)
class Limit:
    at_once: int
    waiting: int
    patience: float


@dataclass
class Compartment:
    limit: Limit
    inside: int = 0
    line: deque = field(default_factory=deque)

    @property
    def has_room(self):
        return self.inside < self.limit.at_once


class Bulkhead:
    def __init__(self, limits, *, total):
        self.compartments = {name: Compartment(limit) for name, limit in limits.items()}
        self.free = total
        self.count = count()

    async def call(self, name, operation):
        async with self.place(self.compartments[name]):
            return await operation()

    @asynccontextmanager
    async def place(self, compartment):
        if not (self.free and compartment.has_room):
            await self.queue(compartment)
        else:
            self.take(compartment)
        try:
            yield
        finally:
            self.give_back(compartment)

    def take(self, compartment):
        self.free -= 1
        compartment.inside += 1

    def give_back(self, compartment):
        self.free += 1
        compartment.inside -= 1
        self.fill()

    def fill(self):
        while self.free:
            ready = [c for c in self.compartments.values() if c.line and c.has_room]
            if not ready:
                return
            first = min(ready, key=lambda c: c.line[0][0])
            _, woken = first.line.popleft()
            self.take(first)
            woken.set()

    async def queue(self, compartment):
        if len(compartment.line) >= compartment.limit.waiting:
            raise BulkheadFull
        me = next(self.count), asyncio.Event()
        compartment.line.append(me)
        try:
            await asyncio.wait_for(me[1].wait(), compartment.limit.patience)
        except TimeoutError:
            if not me[1].is_set():
                compartment.line.remove(me)
                raise BulkheadFull from None
        except BaseException:
            if me[1].is_set():
                self.give_back(compartment)
            else:
                compartment.line.remove(me)
            raise
