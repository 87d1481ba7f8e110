"""A bus for events inside one process: topics, wildcards, and a bounded queue for each subscriber.

A shop tells what happens in it: "order.paid", "order.shipped", "stock.lamp.low". Who wants to know
subscribes; the shop does not know who that is. Some subscribers are slow, one is stuck, others
leave in the middle of everything. The shop must not notice.

Write `EventBus` and `Subscription`. `Event`, `Missed` and `BusClosed` are given; leave them as they
are.

Topics and patterns
  A topic is one or more parts with dots between them. A pattern is the same, and a part of it may
  be a wildcard: `*` stands for exactly one part, `#` for any number of parts, also for none. They
  may stand anywhere, several times: "order.#.paid" matches "order.paid" and "order.eu.de.paid".

Rules
  1. `subscribe` returns a subscription that gets every event that is published from then on and
     whose topic matches its pattern, in the order in which they were published. It gets no others,
     and none twice.
  2. `publish` waits for no subscriber. It returns how many subscriptions the event was for.
  3. At most `capacity` events wait for a subscription. If one more comes, the oldest of them is
     dropped. What the subscriber gets next is `Missed(count)`, with the number of events dropped
     since the last `Missed`, and then the events that are left.
  4. A subscription is an async iterator, and an async context manager that is its own value. It is
     closed by `aclose`, or when its block is left, however it is left. Then nothing is published
     to it any more, what waits for it is forgotten, and whoever waits for its next event gets the
     end of the iteration. The bus keeps nothing of it.
  5. A task that waits for the next event may be cancelled, at any moment. Nothing is lost by it:
     whoever asks next gets that event.
  6. Subscribers come and go at any time, also while something is being published.
  7. `EventBus.aclose` closes the bus: every subscription still gives what waits for it, a `Missed`
     too, and then ends. It waits for nobody. From then on `publish` and `subscribe` raise
     `BusClosed`.
  8. Both `aclose` may be called more than once.

Out of scope: topics with wildcards or empty parts, parts like "or*er", several tasks that read one
subscription at once, other threads, a capacity below 1.
"""

from __future__ import annotations

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

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event | Missed:
        """Wait for the next event; StopAsyncIteration if there will be none any more."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Unsubscribe."""
        raise NotImplementedError

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

    def subscribe(self, pattern: str, *, capacity: int = 100) -> Subscription:
        """A subscription to all topics that match the pattern."""
        raise NotImplementedError

    async def publish(self, topic: str, payload: Any = None) -> int:
        """Give an event to all who have subscribed; how many those were."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Take no more events, and end all subscriptions once they are read."""
        raise NotImplementedError
