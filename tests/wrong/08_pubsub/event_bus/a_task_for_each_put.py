"""Starts a task for every put, so that publish() need not wait for it.

The tasks wait instead, each with its event: a queue without a bound, and out of sight.

mistake: unbounded-queue
also: leaked-task
fails: test_at_most_capacity_events_wait, test_the_publisher_waits_for_nobody,
    test_who_missed_something_is_told, test_missed_counts_on_while_it_is_read,
    test_closing_the_bus_ends_all_subscriptions, test_who_has_left_is_forgotten,
    test_a_closed_subscription_gives_nothing
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


END = object()


class Subscription:
    def __init__(self, bus, pattern, capacity):
        self.bus = bus
        self.queue = asyncio.Queue(capacity)
        self.done = False

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.done:
            raise StopAsyncIteration
        event = await self.queue.get()
        if event is END:
            self.done = True
            raise StopAsyncIteration
        return event

    async def aclose(self):
        self.bus.subscriptions.pop(self, None)
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(END)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.aclose()


class EventBus:
    def __init__(self):
        self.subscriptions = {}
        self.closed = False
        self.puts = set()

    def subscribe(self, pattern, *, capacity=100):
        if self.closed:
            raise BusClosed
        subscription = Subscription(self, pattern, capacity)
        self.subscriptions[subscription] = pattern.split(".")
        return subscription

    async def publish(self, topic, payload=None):
        if self.closed:
            raise BusClosed
        event = Event(topic, payload)
        wanted = [s for s, p in self.subscriptions.items() if fits(p, topic.split("."))]
        for subscription in wanted:
            put = asyncio.create_task(subscription.queue.put(event))
            self.puts.add(put)
            put.add_done_callback(self.puts.discard)
        return len(wanted)

    async def aclose(self):
        self.closed = True
        for subscription in self.subscriptions:
            await subscription.queue.put(END)
        self.subscriptions = {}
