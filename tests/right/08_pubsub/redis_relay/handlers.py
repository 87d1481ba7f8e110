"""redis-py hands each message to a handler of the channel; its run() is the reader; RESP3."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError


@dataclass(frozen=True)
class Message:
    channel: str
    data: bytes


@dataclass(frozen=True)
class Gap:
    seconds: float


class TooSlow(Exception):
    pass


class RelayClosed(Exception):
    pass


class Subscription:
    def __init__(self, feed):
        self.feed = feed
        self.items = deque()
        self.state = "waiting"
        self.future = None

    def put(self, item):
        if (
            isinstance(item, Message)
            and sum(isinstance(i, Message) for i in self.items) >= self.feed.relay.capacity
        ):
            self.feed.drop(self)
            self.end("slow")
        else:
            self.items.append(item)
            self.poke()

    def poke(self):
        if self.future and not self.future.done():
            self.future.set_result(None)

    def end(self, state):
        self.state = state
        self.poke()

    def __aiter__(self):
        return self

    async def __anext__(self):
        while True:
            if self.items:
                return self.items.popleft()
            if self.state == "slow":
                raise TooSlow(self.feed.name)
            if self.state == "over":
                raise StopAsyncIteration
            self.future = asyncio.get_running_loop().create_future()
            await self.future

    async def aclose(self):
        self.feed.drop(self)
        self.items.clear()
        self.end("over")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.aclose()


class Feed:
    """One channel: who listens, and whether Redis knows."""

    def __init__(self, relay, name):
        self.relay, self.name = relay, name
        self.there, self.coming = [], {}
        self.on = False
        self.since = None
        self.deaf_since = None
        self.unanswered = 0

    def on_message(self, said):
        for s in list(self.there):
            s.put(Message(self.name, said["data"]))

    def drop(self, s):
        if s in self.there:
            self.there.remove(s)
        self.coming.pop(s, None)
        if not self.wanted:
            self.deaf_since = None
        self.relay.changed.set()

    @property
    def wanted(self):
        return bool(self.there or self.coming)

    def confirmed(self):
        now = time.monotonic()
        if self.deaf_since is not None:
            for s in self.there:
                s.put(Gap(now - self.deaf_since))
        self.deaf_since = None
        self.since = now
        coming, self.coming = self.coming, {}
        for s, future in coming.items():
            if not future.done():
                s.state = "on"
                self.there.append(s)
                future.set_result(None)

    def lost(self, sure):
        if self.since is not None and self.there:
            self.deaf_since = max(self.since, sure)
        self.since, self.on, self.unanswered = None, False, 0


class RedisRelay:
    def __init__(self, url, *, capacity=100, heartbeat=5.0):
        self.redis = redis.asyncio.Redis.from_url(
            url,
            protocol=3,
            retry=Retry(ConstantBackoff(0), 0, supported_errors=()),
            socket_timeout=None,
            socket_connect_timeout=heartbeat,
            client_name="relay",
        )
        self.capacity, self.heartbeat = capacity, heartbeat
        self.feeds = {}
        self.changed = asyncio.Event()
        self.task = None
        self.closed = False

    async def subscribe(self, channel):
        if self.closed:
            raise RelayClosed
        if not self.task:
            self.task = asyncio.ensure_future(self.run())
        feed = self.feeds.setdefault(channel, Feed(self, channel))
        s = Subscription(feed)
        if feed.since is not None and feed.on:
            s.state = "on"
            feed.there.append(s)
            return s
        future = feed.coming[s] = asyncio.get_running_loop().create_future()
        self.changed.set()
        try:
            await future
        except asyncio.CancelledError:
            feed.drop(s)
            raise
        return s

    async def run(self):
        while True:
            pubsub = self.redis.pubsub()
            self.pinged, self.sure, self.spoken = deque(), 0.0, time.monotonic()
            jobs = []
            try:
                await pubsub.connect()
                jobs = [
                    asyncio.create_task(job)
                    for job in (self.write(pubsub), self.read(pubsub), self.watch())
                ]
                await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
            except (RedisError, OSError):
                pass
            finally:
                for job in jobs:
                    job.cancel()
                await asyncio.gather(*jobs, return_exceptions=True)
                for feed in self.feeds.values():
                    feed.lost(self.sure)
                await pubsub.aclose()
            await asyncio.sleep(0.2)

    async def write(self, pubsub):
        next_ping = 0.0
        while True:
            self.changed.clear()
            for name, feed in list(self.feeds.items()):
                if feed.wanted and not feed.on:
                    feed.on, feed.unanswered = True, feed.unanswered + 1
                    await pubsub.subscribe(**{name: feed.on_message})
                elif feed.on and not feed.wanted:
                    feed.on, feed.since, feed.unanswered = False, None, feed.unanswered + 1
                    await pubsub.unsubscribe(name)
                elif not feed.on and not feed.wanted and not feed.unanswered:
                    del self.feeds[name]
            now = time.monotonic()
            if now >= next_ping:
                next_ping = now + self.heartbeat
                self.pinged.append(now)
                await pubsub.ping()
            if not self.changed.is_set():
                wake = asyncio.create_task(self.changed.wait())
                try:
                    await asyncio.wait([wake], timeout=max(0, next_ping - time.monotonic()))
                finally:
                    wake.cancel()

    async def watch(self):
        while time.monotonic() - self.spoken < 2 * self.heartbeat:  # noqa: ASYNC110
            await asyncio.sleep(self.heartbeat / 5)

    async def read(self, pubsub):
        while True:
            said = await pubsub.get_message(timeout=None)
            self.spoken = time.monotonic()
            if said is None:
                continue
            if said["type"] == "pong":
                self.sure = self.pinged.popleft()
            elif said["type"] in ("subscribe", "unsubscribe"):
                feed = self.feeds[said["channel"].decode()]
                feed.unanswered -= 1
                if not feed.unanswered and feed.on:
                    feed.confirmed()
                self.changed.set()

    async def aclose(self):
        self.closed = True
        feeds, self.feeds = self.feeds, {}
        for feed in feeds.values():
            for s in feed.there:
                s.end("over")
            for future in feed.coming.values():
                if not future.done():
                    future.set_exception(RelayClosed())
        if self.task:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.redis.aclose()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.aclose()
