"""An actor: one task has all the state, and an inbox for whatever happens."""

import asyncio
import contextlib
import dataclasses
from dataclasses import dataclass

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


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


OPEN, SLOW, DONE = "open", "slow", "done"


class Subscription:
    def __init__(self, tell, channel):
        self.tell, self.channel = tell, channel
        self.condition = asyncio.Condition()
        self.items: list = []
        self.status = OPEN

    @property
    def load(self):
        return sum(1 for i in self.items if isinstance(i, Message))

    async def add(self, item):
        async with self.condition:
            self.items.append(item)
            self.condition.notify()

    async def stop(self, status):
        async with self.condition:
            if self.status == OPEN:
                self.status = status
            self.condition.notify_all()

    def __aiter__(self):
        return self

    async def __anext__(self):
        async with self.condition:
            await self.condition.wait_for(lambda: self.items or self.status != OPEN)
            if self.items:
                return self.items.pop(0)
            if self.status == SLOW:
                raise TooSlow(self.channel)
            raise StopAsyncIteration

    async def aclose(self):
        self.tell("leave", self)
        self.status = DONE
        self.items.clear()
        async with self.condition:
            self.condition.notify_all()

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, trace):
        await self.aclose()


@dataclasses.dataclass
class Topic:
    subscribers: list = dataclasses.field(default_factory=list)
    pending: dict = dataclasses.field(default_factory=dict)
    phase: str = "off"  # off, asking, on, leaving
    since: float = 0.0
    deaf_since: float | None = None

    def wanted(self):
        return bool(self.subscribers or self.pending)


class RedisRelay:
    def __init__(self, url, *, capacity=100, heartbeat=5.0):
        self.url, self.capacity, self.heartbeat = url, capacity, heartbeat
        self.inbox: asyncio.Queue = asyncio.Queue()
        self.actor = None
        self.closed = False

    def tell(self, *what):
        self.inbox.put_nowait(what)

    async def subscribe(self, channel):
        if self.closed:
            raise RelayClosed(channel)
        if self.actor is None:
            self.actor = asyncio.create_task(self._act())
        subscription = Subscription(self.tell, channel)
        answer = asyncio.get_running_loop().create_future()
        self.tell("join", subscription, answer)
        try:
            await answer
        except BaseException:
            self.tell("leave", subscription)
            raise
        return subscription

    async def aclose(self):
        first, self.closed = not self.closed, True
        if self.actor is not None:
            if first:
                self.tell("close")
            await asyncio.wait([self.actor])

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.aclose()

    # everything below runs in the actor

    async def _act(self):
        loop = asyncio.get_running_loop()
        self.topics: dict[str, Topic] = {}
        self.pubsub, self.number, self.helpers = None, 0, set()
        self.client = redis.asyncio.from_url(
            self.url, retry=Retry(NoBackoff(), 0), single_connection_client=False
        )
        self.reader = self._spawn(self._connect(0, 0.0))
        ticker = self._spawn(self._tick())
        try:
            while True:
                what, *rest = await self.inbox.get()
                if what == "close":
                    break
                await getattr(self, f"_on_{what}")(loop.time(), *rest)
        finally:
            for topic in self.topics.values():
                for s in topic.subscribers:
                    await s.stop(DONE)
                for answer in topic.pending.values():
                    if not answer.done():
                        answer.set_exception(RelayClosed())
            while not self.inbox.empty():
                what, *rest = self.inbox.get_nowait()
                if what == "join" and not rest[1].done():
                    rest[1].set_exception(RelayClosed())
            for t in list(self.helpers):
                t.cancel()
            await asyncio.gather(*self.helpers, return_exceptions=True)
            if self.pubsub is not None:
                await self.pubsub.aclose()
            await self.client.aclose()
            del ticker

    def _spawn(self, coro):
        task = asyncio.create_task(coro)
        self.helpers.add(task)
        task.add_done_callback(self.helpers.discard)
        return task

    async def _tick(self):
        while True:
            await asyncio.sleep(self.heartbeat / 2)
            self.tell("tick")

    async def _connect(self, number, pause):
        while True:
            await asyncio.sleep(pause)
            pause = 0.5
            pubsub = self.client.pubsub()
            try:
                await pubsub.connect()
            except (redis.exceptions.RedisError, OSError):
                await pubsub.aclose()
                continue
            except BaseException:
                await pubsub.aclose()
                raise
            self.tell("connected", number, pubsub)
            try:
                while True:
                    said = await pubsub.get_message(timeout=None)
                    if said is not None:
                        self.tell("said", number, said)
            except (redis.exceptions.RedisError, OSError):
                self.tell("lost", number)
            return

    async def _send(self, command, *args):
        if self.pubsub is None:
            return
        try:
            await command(*args)
        except (redis.exceptions.RedisError, OSError):
            self.tell("lost", self.number)

    async def _on_connected(self, now, number, pubsub):
        self.pubsub = pubsub
        self.pings, self.sure, self.heard = [], now, now
        for name, topic in list(self.topics.items()):
            topic.phase = "off"
            await self._settle(name, topic)
        await self._ping(now)

    async def _ping(self, now):
        self.pings.append(now)
        await self._send(self.pubsub.ping)

    async def _settle(self, name, topic):
        if self.pubsub is None:
            return
        if topic.wanted() and topic.phase == "off":
            topic.phase = "asking"
            await self._send(self.pubsub.subscribe, name)
        elif not topic.wanted() and topic.phase == "on":
            topic.phase = "leaving"
            await self._send(self.pubsub.unsubscribe, name)
        elif not topic.wanted() and topic.phase == "off":
            self.topics.pop(name, None)

    async def _on_join(self, now, subscription, answer):
        topic = self.topics.setdefault(subscription.channel, Topic())
        if answer.done():
            await self._settle(subscription.channel, topic)
            return
        if topic.phase == "on":
            topic.subscribers.append(subscription)
            answer.set_result(None)
        else:
            topic.pending[subscription] = answer
            await self._settle(subscription.channel, topic)

    async def _on_leave(self, now, subscription):
        topic = self.topics.get(subscription.channel)
        if topic is None:
            return
        if subscription in topic.subscribers:
            topic.subscribers.remove(subscription)
        topic.pending.pop(subscription, None)
        if not topic.subscribers:
            topic.deaf_since = None
        await self._settle(subscription.channel, topic)

    async def _on_said(self, now, number, said):
        if number != self.number or self.pubsub is None:
            return
        self.heard = now
        if said["type"] == "pong":
            self.sure = self.pings.pop(0)
            return
        name = said["channel"].decode()
        topic = self.topics.get(name)
        if topic is None:
            return
        if said["type"] == "message":
            for s in list(topic.subscribers):
                if s.load >= self.capacity:
                    await s.stop(SLOW)
                    await self._on_leave(now, s)
                elif s.status == OPEN:
                    await s.add(Message(name, said["data"]))
        elif said["type"] == "subscribe":
            topic.phase, topic.since = "on", now
            if topic.deaf_since is not None:
                for s in topic.subscribers:
                    await s.add(Gap(now - topic.deaf_since))
                topic.deaf_since = None
            for s, answer in topic.pending.items():
                if not answer.done():
                    topic.subscribers.append(s)
                    answer.set_result(None)
            topic.pending.clear()
            await self._settle(name, topic)
        elif said["type"] == "unsubscribe":
            topic.phase = "off"
            await self._settle(name, topic)

    async def _on_lost(self, now, number):
        if number != self.number:
            return
        self.number += 1
        pubsub, self.pubsub = self.pubsub, None
        for topic in self.topics.values():
            if topic.phase == "on" and topic.subscribers and topic.deaf_since is None:
                topic.deaf_since = max(topic.since, self.sure)
            topic.phase = "off"
        self.reader.cancel()
        await asyncio.wait([self.reader])
        if pubsub is not None:
            with contextlib.suppress(redis.exceptions.RedisError, OSError):
                await pubsub.aclose()
        self.reader = self._spawn(self._connect(self.number, 0.1))

    async def _on_tick(self, now):
        if self.pubsub is None:
            return
        if now - self.heard > 1.6 * self.heartbeat:
            await self._on_lost(now, self.number)
        else:
            await self._ping(now)
