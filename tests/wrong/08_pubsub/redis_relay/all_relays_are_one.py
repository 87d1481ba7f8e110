"""The listeners are an attribute of the class, not of the relay.

A second relay hands on what comes to those of the first, too, and ends them when it is closed.

mistake: none
fails: test_two_relays_know_nothing_of_each_other
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError

SHORTEST, LONGEST = 0.1, 2.0
"""Seconds between two attempts to connect."""


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

    def __init__(self, relay: RedisRelay, channel: str) -> None:
        self.relay = relay
        self.channel = channel
        self.subscribed = asyncio.Event()
        self._given: deque[Message | Gap] = deque()
        self._messages = 0
        self._ended = False
        self._too_slow = False
        self._something = asyncio.Event()

    def put(self, one: Message | Gap) -> None:
        if isinstance(one, Message):
            if self._messages == self.relay.capacity:
                self._too_slow = True
                self.relay.forget(self)
                self.end()
                return
            self._messages += 1
        self._given.append(one)
        self._something.set()

    def end(self) -> None:
        self._ended = True
        self._something.set()
        self.subscribed.set()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Message | Gap:
        while not self._given and not self._ended:
            self._something.clear()
            await self._something.wait()
        if self._given:
            one = self._given.popleft()
            self._messages -= isinstance(one, Message)
            return one
        if self._too_slow:
            raise TooSlow(f"{self.relay.capacity} messages of {self.channel} waited to be read")
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.relay.forget(self)
        self._given.clear()
        self._too_slow = False
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


class RedisRelay:
    """One connection to the Redis at `url`, for all subscribers of this process.

    `capacity` is how many messages may wait for one subscriber, `heartbeat` is in seconds.
    """

    def __init__(self, url: str, *, capacity: int = 100, heartbeat: float = 5.0) -> None:
        self.capacity = capacity
        self.heartbeat = heartbeat
        # redis-py would reconnect and subscribe again by itself, and never say so. With no error
        # to try again for, each of them comes to us.
        self._redis = redis.asyncio.from_url(
            url, retry=Retry(NoBackoff(), retries=0, supported_errors=())
        )
        self._deaf_since: dict[str, float] = {}
        self._link = Link()
        self._changed = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._closed = False

    _listeners: dict[str, dict[Subscription, None]] = {}  # noqa: RUF012

    async def subscribe(self, channel: str) -> Subscription:
        """Subscribe to a channel; returns when Redis has confirmed it."""
        if self._closed:
            raise RelayClosed(f"this relay is closed: nobody can subscribe to {channel}")
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        subscription = Subscription(self, channel)
        self._listeners.setdefault(channel, {})[subscription] = None
        if channel in self._link.confirmed:
            subscription.subscribed.set()
        self._changed.set()
        try:
            await subscription.subscribed.wait()
        except BaseException:
            await subscription.aclose()
            raise
        if self._closed:
            raise RelayClosed(f"this relay was closed before it was subscribed to {channel}")
        return subscription

    def forget(self, subscription: Subscription) -> None:
        listeners = self._listeners.get(subscription.channel, {})
        listeners.pop(subscription, None)
        if not listeners:
            self._listeners.pop(subscription.channel, None)
            self._deaf_since.pop(subscription.channel, None)  # nobody is left who missed anything
            self._changed.set()

    async def aclose(self) -> None:
        """End all subscriptions, and the connection."""
        self._closed = True
        for listeners in self._listeners.values():
            for subscription in listeners:
                subscription.end()
        self._listeners.clear()
        if self._running is not None:
            # More than once: wait_for, which redis-py uses, may lose a cancellation in Python 3.11.
            while not self._running.done():
                self._running.cancel()
                await asyncio.wait([self._running], timeout=0.1)
        await self._redis.aclose()

    async def __aenter__(self) -> RedisRelay:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    # -- the connection -------------------------------------------------------------------------

    async def _run(self) -> None:
        """Have a connection, always."""
        pause = SHORTEST
        while True:
            try:
                with self._new_link() as link:
                    await self._talk(link)
            except* (RedisError, OSError):
                pause = SHORTEST if link.confirmed else min(2 * pause, LONGEST)
            # Full jitter is for crowds that come back together; some pause is for each alone.
            await asyncio.sleep(random.uniform(pause / 2, pause))

    @contextmanager
    def _new_link(self) -> Iterator[Link]:
        """What is known of a connection; afterwards, since when each of its channels is deaf."""
        self._link = link = Link()
        try:
            yield link
        finally:
            for channel, since in link.confirmed.items():
                if channel in self._listeners:
                    self._deaf_since[channel] = max(since, link.sure)
            self._link = Link()

    async def _talk(self, link: Link) -> None:
        async with self._redis.pubsub() as pubsub:
            await pubsub.connect()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write(pubsub, link))
                group.create_task(self._read(pubsub, link))

    async def _write(self, pubsub: Any, link: Link) -> None:
        """Tell Redis what is listened to, when it changes, and ask for signs of life."""
        next_ping = time.monotonic() + self.heartbeat
        while not link.over:
            self._changed.clear()
            for channel in link.asked - self._listeners.keys():
                if channel in self._listeners:
                    continue  # somebody came while the command before was being sent
                link.forget(channel)
                await pubsub.unsubscribe(channel)
            for channel in self._listeners.keys() - link.asked:
                link.ask(channel)
                await pubsub.subscribe(channel)
            if time.monotonic() >= next_ping:
                next_ping = time.monotonic() + self.heartbeat
                link.pings.append(time.monotonic())
                await pubsub.ping()
            try:
                async with asyncio.timeout(next_ping - time.monotonic()):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _read(self, pubsub: Any, link: Link) -> None:
        """Hand on what Redis says. Two heartbeats of silence, with a PING in them, are a death."""
        try:
            while True:
                said = await pubsub.get_message(timeout=2 * self.heartbeat)
                if said is None:
                    raise ConnectionError(f"nothing was heard for {2 * self.heartbeat} seconds")
                self._hear(said, link)
        finally:
            link.over = True  # for the writer, in case that it loses its cancellation
            self._changed.set()

    def _hear(self, said: dict[str, Any], link: Link) -> None:
        if said["type"] == "pong":
            link.sure = link.pings.popleft()
            return
        channel = said["channel"].decode()
        if said["type"] == "message":
            for subscription in list(self._listeners.get(channel, ())):
                if subscription.subscribed.is_set():
                    subscription.put(Message(channel, said["data"]))
        elif link.answered(channel):
            self._confirmed(channel)

    def _confirmed(self, channel: str) -> None:
        """Redis listens for us to this channel, from now on or again."""
        now = time.monotonic()
        self._link.confirmed[channel] = now
        deaf_since = self._deaf_since.pop(channel, now)
        for subscription in self._listeners.get(channel, ()):
            if subscription.subscribed.is_set():
                subscription.put(Gap(now - deaf_since))
            subscription.subscribed.set()


class Link:
    """What is known of one connection. Times are those of `time.monotonic`.

    Everything that was published before `sure` and sent to us has arrived: Redis answered a PING
    that was sent then, and what it sends on one connection comes in order. When the last message
    came says less: others may have been on their way behind it.
    """

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self.confirmed: dict[str, float] = {}  # and since when
        self.pings: deque[float] = deque()
        self.sure = float("-inf")
        self.over = False
        self._unanswered: Counter[str] = Counter()

    def ask(self, channel: str) -> None:
        self.asked.add(channel)
        self._unanswered[channel] += 1

    def forget(self, channel: str) -> None:
        self.asked.discard(channel)
        self.confirmed.pop(channel, None)
        self._unanswered[channel] += 1

    def answered(self, channel: str) -> bool:
        """Redis has answered for a channel; whether we are subscribed to it now.

        Somebody may have left, and somebody else come, before the first answer was here: it is the
        last one that counts.
        """
        self._unanswered[channel] -= 1
        if self._unanswered[channel]:
            return False
        del self._unanswered[channel]
        return channel in self.asked
