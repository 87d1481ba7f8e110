"""One task that does everything, in turns of a twentieth of a second; plain sets and futures."""

import asyncio
import time
from dataclasses import dataclass

import redis.asyncio as aioredis
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


END = object()


class Subscription:
    def __init__(self, channel, capacity):
        self.channel = channel
        self.capacity = capacity
        self.queue = asyncio.Queue()
        self.messages = 0
        self.over = None
        self.ready = asyncio.get_running_loop().create_future()

    def give(self, one):
        if self.over is None:
            self.queue.put_nowait(one)

    def give_message(self, message):
        if self.messages >= self.capacity:
            self.finish(TooSlow(self.channel))
        else:
            self.messages += 1
            self.give(message)

    def finish(self, why):
        if self.over is None:
            self.give(END)
            self.over = why
        if not self.ready.done():
            self.ready.set_result(None)

    def __aiter__(self):
        return self

    async def __anext__(self):
        one = await self.queue.get()
        if one is END:
            self.queue.put_nowait(END)
            raise self.over
        if isinstance(one, Message):
            self.messages -= 1
        return one

    async def aclose(self):
        while not self.queue.empty():
            self.queue.get_nowait()
        self.over = StopAsyncIteration()
        self.queue.put_nowait(END)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.aclose()


class RedisRelay:
    def __init__(self, url, *, capacity=100, heartbeat=5.0):
        self.client = aioredis.from_url(url, protocol=2)
        self.capacity = capacity
        self.heartbeat = heartbeat
        self.subscriptions = []
        self.task = None
        self.closed = False
        self.deaf = {}  # channel: since when

    async def subscribe(self, channel):
        if self.closed:
            raise RelayClosed
        if self.task is None:
            self.task = asyncio.create_task(self.work())
        subscription = Subscription(channel, self.capacity)
        self.subscriptions.append(subscription)
        try:
            await subscription.ready
        except asyncio.CancelledError:
            await subscription.aclose()
            raise
        if self.closed:
            raise RelayClosed
        return subscription

    def wanted(self):
        self.subscriptions = [s for s in self.subscriptions if s.over is None]
        return {s.channel for s in self.subscriptions}

    async def work(self):
        while not self.closed:
            pubsub = self.client.pubsub()
            self.listening, self.sure = {}, 0.0
            try:
                await pubsub.connect()
                await self.serve(pubsub)
            except (RedisError, OSError):
                pass
            finally:
                for channel, since in self.listening.items():
                    self.deaf[channel] = max(since, self.sure)
                await pubsub.aclose()
            await asyncio.sleep(0.3)

    async def serve(self, pubsub):
        asked, pings = set(), []
        heard = time.monotonic()
        next_ping = heard
        while not self.closed:
            wanted = self.wanted()
            for channel in self.deaf.keys() - wanted:
                del self.deaf[channel]
            if gone := asked - wanted:
                await pubsub.unsubscribe(*gone)
                asked -= gone
                for channel in gone:
                    self.listening.pop(channel, None)
                # Everything in order: nothing is asked before this has been answered.
                await self.hear_until(pubsub, "unsubscribe", gone)
            if new := wanted - asked:
                await pubsub.subscribe(*new)
                asked |= new
            for subscription in self.subscriptions:
                if subscription.channel in self.listening and not subscription.ready.done():
                    subscription.ready.set_result(None)
            now = time.monotonic()
            if now > next_ping:
                next_ping = now + self.heartbeat
                pings.append(now)
                await pubsub.ping()
            said = await pubsub.get_message(timeout=0.05)
            if said is None:
                if now - heard > 2 * self.heartbeat:
                    return
                continue
            heard = time.monotonic()
            if said["type"] == "pong":
                self.sure = pings.pop(0)
            else:
                self.handle(said)

    async def hear_until(self, pubsub, kind, channels):
        left = set(channels)
        async with asyncio.timeout(self.heartbeat):
            while left:
                said = await pubsub.get_message(timeout=None)
                if said["type"] == kind:
                    left.discard(said["channel"].decode())
                elif said["type"] == "message":
                    self.handle(said)

    def handle(self, said):
        channel = said["channel"].decode()
        mine = [s for s in self.subscriptions if s.channel == channel]
        if said["type"] == "message":
            for subscription in mine:
                if subscription.ready.done():
                    subscription.give_message(Message(channel, said["data"]))
        elif said["type"] == "subscribe":
            now = time.monotonic()
            self.listening[channel] = now
            since = self.deaf.pop(channel, None)
            for subscription in mine:
                if subscription.ready.done():
                    subscription.give(Gap(now - since))
                else:
                    subscription.ready.set_result(None)

    async def aclose(self):
        self.closed = True
        for subscription in self.subscriptions:
            subscription.finish(StopAsyncIteration())
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.client.aclose()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.aclose()
