"""A condition for each subscription, regular expressions; publish() has awaits in it."""

import asyncio
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    topic: str
    payload: Any = None


@dataclass(frozen=True)
class Missed:
    count: int


class BusClosed(Exception):
    pass


def expression(pattern):
    """A pattern as a regular expression over a topic with a dot after every part."""
    parts = {"*": r"[^.]+\.", "#": r"([^.]+\.)*"}
    return re.compile("".join(parts.get(p, re.escape(p) + r"\.") for p in pattern.split(".")))


class Subscription(AsyncExitStack):
    """An exit stack that unsubscribes."""

    def __init__(self, bus, pattern, capacity):
        super().__init__()
        self.bus, self.capacity = bus, capacity
        self.pattern = expression(pattern)
        self.waiting, self.missed, self.open = [], 0, True
        self.changed = asyncio.Condition()
        self.push_async_callback(self.leave)

    async def put(self, event):
        async with self.changed:
            if not self.open:
                return
            self.waiting.append(event)
            if len(self.waiting) > self.capacity:
                del self.waiting[0]
                self.missed += 1
            self.changed.notify_all()

    async def end(self):
        async with self.changed:
            self.open = False
            self.changed.notify_all()

    async def leave(self):
        self.bus.subscriptions = [s for s in self.bus.subscriptions if s is not self]
        self.waiting, self.missed = [], 0
        await self.end()

    async def aclose(self):
        await self.leave()

    def __aiter__(self):
        return self

    async def __anext__(self):
        async with self.changed:
            await self.changed.wait_for(lambda: self.waiting or not self.open)
            if self.missed:
                count, self.missed = self.missed, 0
                return Missed(count)
            if self.waiting:
                return self.waiting.pop(0)
        raise StopAsyncIteration


class EventBus:
    def __init__(self):
        self.subscriptions = []
        self.closed = False
        self.turn = asyncio.Lock()  # events are given to all in one order

    def subscribe(self, pattern, *, capacity=100):
        if self.closed:
            raise BusClosed(pattern)
        self.subscriptions = [*self.subscriptions, Subscription(self, pattern, capacity)]
        return self.subscriptions[-1]

    async def publish(self, topic, payload=None):
        async with self.turn:
            if self.closed:
                raise BusClosed(topic)
            wanted = [s for s in self.subscriptions if s.pattern.fullmatch(topic + ".")]
            for subscription in wanted:
                await subscription.put(Event(topic, payload))
            return len(wanted)

    async def aclose(self):
        self.closed = True
        gone, self.subscriptions = self.subscriptions, []
        for subscription in gone:
            await subscription.end()
