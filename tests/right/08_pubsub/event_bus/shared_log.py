"""One linked list of all events; a subscriber is a place in it, and skips what it may not have."""

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


class Node:
    """An event, and the future of the next one."""

    def __init__(self, event=None):
        self.event = event
        self.next = asyncio.get_running_loop().create_future()


class Subscription:
    def __init__(self, bus, pattern, capacity):
        self.bus, self.pattern, self.capacity = bus, pattern.split("."), capacity
        self.node = bus.last
        self.behind = self.missed = 0
        self.left = asyncio.get_running_loop().create_future()

    def wants(self, node):
        return fits(self.pattern, node.event.topic.split("."))

    def step(self):
        """Go on to the next event that it wants, which must be there."""
        self.node = self.node.next.result()
        while not self.wants(self.node):
            self.node = self.node.next.result()
        self.behind -= 1

    def count(self):
        """One more waits for it."""
        self.behind += 1
        if self.behind > self.capacity:
            self.step()
            self.missed += 1

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self.left.done():
            if self.missed:
                missed, self.missed = Missed(self.missed), 0
                return missed
            if self.behind:
                self.step()
                return self.node.event
            if self.bus.closed:
                break
            last = self.bus.last
            await asyncio.wait([last.next, self.left], return_when=asyncio.FIRST_COMPLETED)
        raise StopAsyncIteration

    async def aclose(self):
        self.bus.subscriptions.discard(self)
        self.node = None
        if not self.left.done():
            self.left.set_result(None)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.aclose()


class EventBus:
    def __init__(self):
        self.last = Node()
        self.subscriptions = set()
        self.closed = False

    def subscribe(self, pattern, *, capacity=100):
        if self.closed:
            raise BusClosed
        subscription = Subscription(self, pattern, capacity)
        self.subscriptions.add(subscription)
        return subscription

    async def publish(self, topic, payload=None):
        if self.closed:
            raise BusClosed
        node = Node(Event(topic, payload))
        before, self.last = self.last, node
        before.next.set_result(node)
        wanted = [one for one in self.subscriptions if one.wants(node)]
        for one in wanted:
            one.count()
        return len(wanted)

    async def aclose(self):
        self.closed = True
        if not self.last.next.done():
            self.last.next.set_result(None)
