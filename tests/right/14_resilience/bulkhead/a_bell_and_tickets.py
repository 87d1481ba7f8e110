"""Tickets in the order of coming, and a bell for all: who hears it looks whose turn it is."""

import asyncio
import itertools
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
        self.tickets = {}  # number -> name, in the order in which they came
        self.number = itertools.count()
        self.bell = asyncio.Event()

    def has_room(self, name):
        mine = self.running[name] < self.limits[name].at_once
        return mine and self.running.total() < self.total

    def next_ticket(self):
        return next((t for t, name in self.tickets.items() if self.has_room(name)), None)

    def ring(self):
        self.bell.set()
        self.bell = asyncio.Event()

    async def call(self, name, operation):
        limit = self.limits[name]
        # A place that somebody with a ticket has been told of, and not yet taken, is not free.
        if self.has_room(name) and self.next_ticket() is None:
            self.running[name] += 1
        else:
            waiting = Counter(self.tickets.values())[name]
            soon = sum(other == name and self.has_room(name) for other in self.tickets.values())
            if waiting - min(soon, 1) >= limit.waiting:
                raise BulkheadFull(name)
            await self.wait(name, limit)
        try:
            return await operation()
        finally:
            self.running[name] -= 1
            self.ring()

    async def wait(self, name, limit):
        ticket = next(self.number)
        self.tickets[ticket] = name
        loop = asyncio.get_running_loop()
        over = loop.time() + limit.patience
        try:
            while self.next_ticket() != ticket:
                try:
                    async with asyncio.timeout_at(over):
                        await self.bell.wait()
                except TimeoutError:
                    if self.next_ticket() != ticket:
                        raise BulkheadFull(name) from None
            self.running[name] += 1
        finally:
            del self.tickets[ticket]
            self.ring()
