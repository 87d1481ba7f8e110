"""Subscribed at once, and what reads the queue is an async generator inside.

A cancellation at its await ends a generator for good: after the first timeout there is nothing
to iterate over any more.

mistake: lost-on-cancel
fails: test_a_reader_that_times_out_reads_on, test_a_cancelled_wait_loses_nothing,
       test_events_come_to_who_has_subscribed
"""

import asyncio
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


class Inner:
    """A queue, a number and a flag."""

    def __init__(self, bus, pattern, capacity):
        self.bus = bus
        self.queue = asyncio.Queue(capacity)
        self.missed = 0
        self.ended = asyncio.Event()

    def put(self, event):
        if self.queue.full():
            self.queue.get_nowait()
            self.missed += 1
        self.queue.put_nowait(event)
        self.stir()

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.missed:
            missed, self.missed = Missed(self.missed), 0
            return missed
        if self.queue.empty() and not self.ended.is_set():
            await self.something()
            return await self.__anext__()
        if self.queue.empty():
            raise StopAsyncIteration
        return self.queue.get_nowait()

    async def something(self):
        while self.queue.empty() and not self.ended.is_set():
            self.wake = asyncio.get_running_loop().create_future()
            await self.wake

    def stir(self):
        wake = getattr(self, "wake", None)
        if wake is not None and not wake.done():
            wake.set_result(None)

    def end(self):
        self.ended.set()
        self.stir()

    async def aclose(self):
        self.bus.subscriptions.pop(self, None)
        while not self.queue.empty():
            self.queue.get_nowait()
        self.missed = 0
        self.end()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.aclose()


class Subscription:
    def __init__(self, bus, pattern, capacity):
        self.bus, self.pattern = bus, pattern
        self.inner = Inner(bus, pattern, capacity)
        self.events = self.give()

    async def give(self):
        async for event in self.inner:
            yield event

    def __aiter__(self):
        return self

    async def __anext__(self):
        return await anext(self.events)

    async def aclose(self):
        await self.inner.aclose()

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
        self.subscriptions[subscription.inner] = pattern.split(".")
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
