"""The subscriptions are an attribute of the class, not of the bus.

Whoever has subscribed to any bus of the process gets what is published on all of them.

mistake: none
fails: test_events_come_to_who_has_subscribed, test_wildcards
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    topic: str
    payload: Any = None


@dataclass(frozen=True)
class Missed:
    """A subscriber was too slow: `count` events were dropped in this place."""

    count: int


class BusClosed(Exception):
    """The bus takes no more events and no more subscribers."""


class Subscription:
    """The events of one subscriber. `EventBus.subscribe` makes it."""

    def __init__(self, bus: EventBus, pattern: str, capacity: int) -> None:
        self._bus = bus
        self._pattern = pattern.split(".")
        self._capacity = capacity
        self._events: deque[Event] = deque()
        self._missed = 0
        self._ended = False
        self._something = asyncio.Event()

    def wants(self, topic: list[str]) -> bool:
        return matches(self._pattern, topic)

    def put(self, event: Event) -> None:
        if len(self._events) == self._capacity:
            self._events.popleft()
            self._missed += 1
        self._events.append(event)
        self._something.set()

    def end(self) -> None:
        """No more comes. No mark in the queue says so: it would need a place in a full one."""
        self._ended = True
        self._something.set()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event | Missed:
        # An event is taken out after the last await: a cancellation before that takes nothing.
        while not self._events and not self._ended:
            self._something.clear()
            await self._something.wait()
        if self._missed:
            missed, self._missed = Missed(self._missed), 0
            return missed
        if self._events:
            return self._events.popleft()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self._bus.forget(self)
        self._events.clear()
        self._missed = 0
        self.end()

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


class EventBus:
    """Brings events to whoever has subscribed to their topics."""

    _subscriptions: dict[Subscription, None] = {}  # noqa: RUF012
    _closed = False

    def subscribe(self, pattern: str, *, capacity: int = 100) -> Subscription:
        """A subscription to all topics that match the pattern."""
        if self._closed:
            raise BusClosed("this bus is closed: nobody can subscribe any more")
        subscription = Subscription(self, pattern, capacity)
        self._subscriptions[subscription] = None
        return subscription

    async def publish(self, topic: str, payload: Any = None) -> int:
        """Give an event to all who have subscribed; how many those were."""
        if self._closed:
            raise BusClosed(f"this bus is closed: nobody gets {topic}")
        event, parts = Event(topic, payload), topic.split(".")
        wanted = [one for one in self._subscriptions if one.wants(parts)]
        for subscription in wanted:
            subscription.put(event)
        return len(wanted)

    async def aclose(self) -> None:
        """Take no more events, and end all subscriptions once they are read."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.end()
        self._subscriptions.clear()

    def forget(self, subscription: Subscription) -> None:
        self._subscriptions.pop(subscription, None)


def matches(pattern: list[str], topic: list[str]) -> bool:
    """Whether a pattern matches a topic, both in parts.

    `reached` are the numbers of parts of the topic that the pattern so far can stand for: with two
    "#" in it, trying all splits would take time that grows with their powers.
    """
    reached = {0}
    for part in pattern:
        if part == "#":
            reached = set(range(min(reached), len(topic) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(topic) and part in ("*", topic[at])}
        if not reached:
            return False
    return len(topic) in reached
