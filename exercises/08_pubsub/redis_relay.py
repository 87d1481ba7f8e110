"""Share one Redis subscription among all who listen in this process, and say what was missed.

A web server holds thousands of WebSockets, and each wants to hear of some channel of Redis'
Pub/Sub. A connection to Redis for each would be thousands of connections. So the process has one,
and a relay that hands on what comes to whoever wants it.

Redis forgets a message as soon as it has sent it to those who listen. Who is not connected in that
moment will never get it: at most once. No relay can mend that. What it can do is never to be deaf
without saying so: for how long, and to whom.

Write `RedisRelay` and `Subscription` with redis-py's asyncio client (`redis.asyncio`). `Message`,
`Gap`, `TooSlow` and `RelayClosed` are given; leave them as they are.

Rules
  1. `subscribe` returns when Redis has confirmed the subscription, and not before: every message
     that is published to the channel from then on comes, in order, once. While Redis cannot be
     reached it waits. It may be cancelled, and then it leaves nothing behind.
  2. However many subscribers there are, the relay has one connection to Redis at a time. It is
     subscribed to the channels that somebody in the process listens to: once to each, and within a
     second of the last one's leaving no more.
  3. A lost connection is replaced by a new one, for as long as the relay is open. At most 10
     seconds after Redis can be reached again, all its channels are subscribed to again. Between
     two attempts that fail there is a pause, of 0.05 seconds or more.
  4. A connection may die without a word. The relay asks for a sign of life (PING) at least every
     `heartbeat` seconds, and replaces the connection within 3 heartbeats of its death.
  5. Who was subscribed to a channel before the connection was lost gets a `Gap` when Redis has
     confirmed it again, after all messages from before and before all from after. The last
     `seconds` up to that moment contain every moment in which a message was published that this
     subscriber did not get. They are at most 2 heartbeats and a second more than the time from the
     connection's death to the confirmation. Who missed nothing gets no Gap.
  6. A subscriber that does not read holds up nobody. At most `capacity` messages wait for it (a Gap
     is none). If there would be more, it is disconnected: it still gets those that wait, and then
     `TooSlow` is raised.
  7. A subscription is an async iterator, and an async context manager that is its own value. It is
     closed by `aclose`, or when its block is left, however it is left. Then what waits for it is
     forgotten, and it ends.
  8. `RedisRelay` is an async context manager, too. `RedisRelay.aclose`, or leaving its block, ends
     all subscriptions, makes waiting and later `subscribe` calls raise `RelayClosed`, closes the
     connection, and leaves nothing running. Both `aclose` may be called more than once. Another
     relay of the same process does not notice.

Out of scope: patterns (PSUBSCRIBE), Redis Cluster, a Redis that refuses the login, other threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType


@dataclass(frozen=True)
class Message:
    """What somebody published."""

    channel: str
    data: bytes


@dataclass(frozen=True)
class Gap:
    """In the `seconds` before this was given, messages may have been lost."""

    seconds: float


class TooSlow(Exception):
    """More messages came for this subscriber than could wait: it has been disconnected."""


class RelayClosed(Exception):
    """The relay is closed: it takes no more subscribers."""


class Subscription:
    """The messages of one channel for one subscriber. `RedisRelay.subscribe` makes it."""

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Message | Gap:
        """Wait for the next message; StopAsyncIteration when it is closed, or the relay is."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Leave the channel."""
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


class RedisRelay:
    """One connection to the Redis at `url`, for all subscribers of this process.

    `capacity` is how many messages may wait for one subscriber, `heartbeat` is in seconds.
    """

    def __init__(self, url: str, *, capacity: int = 100, heartbeat: float = 5.0) -> None:
        self.url = url
        self.capacity = capacity
        self.heartbeat = heartbeat

    async def subscribe(self, channel: str) -> Subscription:
        """Subscribe to a channel; returns when Redis has confirmed it."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """End all subscriptions, and the connection."""
        raise NotImplementedError

    async def __aenter__(self) -> RedisRelay:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
