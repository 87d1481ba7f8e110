"""The newest count, so the oldest one goes. Rightly done, and nobody is told.

mistake: drops-silently
fails: test_who_missed_something_is_told, test_missed_counts_on_while_it_is_read,
    test_closing_the_bus_ends_all_subscriptions
"""

import asyncio
from collections import deque
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


def fits(pattern, topic):
    if not pattern:
        return not topic
    if pattern[0] == "#":
        return fits(pattern[1:], topic) or (bool(topic) and fits(pattern, topic[1:]))
    return bool(topic) and pattern[0] in ("*", topic[0]) and fits(pattern[1:], topic[1:])


class Subscription:
    def __init__(self, bus, pattern, capacity):
        self.bus = bus
        self.events = deque(maxlen=capacity)  # it drops the oldest by itself
        self.ended = False
        self.wake = asyncio.Event()

    def put(self, event):
        self.events.append(event)
        self.wake.set()

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self.events:
            if self.ended:
                raise StopAsyncIteration
            self.wake.clear()
            await self.wake.wait()
        return self.events.popleft()

    def end(self):
        self.ended = True
        self.wake.set()

    async def aclose(self):
        self.bus.subscriptions.pop(self, None)
        self.events.clear()
        self.end()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.aclose()


class EventBus:
    def __init__(self):
        self.subscriptions = {}
        self.closed = False

    def subscribe(self, pattern, *, capacity=100):
        if self.closed:
            raise BusClosed
        subscription = Subscription(self, pattern, capacity)
        self.subscriptions[subscription] = pattern.split(".")
        return subscription

    async def publish(self, topic, payload=None):
        if self.closed:
            raise BusClosed
        wanted = [s for s, p in self.subscriptions.items() if fits(p, topic.split("."))]
        for subscription in wanted:
            subscription.put(Event(topic, payload))
        return len(wanted)

    async def aclose(self):
        self.closed = True
        for subscription in self.subscriptions:
            subscription.end()
        self.subscriptions = {}
