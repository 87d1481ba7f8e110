"""A connection of redis-py without its PubSub: commands are written, replies are sorted."""

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass

from redis.asyncio.connection import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
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
    def __init__(self, channel):
        self.channel = channel
        self.waiting = deque()
        self.state = "asked"  # then "on", then "off" or "slow"
        self.changed = asyncio.Condition()

    def __aiter__(self):
        return self

    async def __anext__(self):
        async with self.changed:
            await self.changed.wait_for(lambda: self.waiting or self.state in ("off", "slow"))
            if self.waiting:
                return self.waiting.popleft()
        if self.state == "slow":
            raise TooSlow
        raise StopAsyncIteration

    async def turn(self, state):
        async with self.changed:
            self.state = state
            self.changed.notify_all()

    async def aclose(self):
        self.state = "off"
        self.waiting.clear()
        self.left(self)
        await self.turn("off")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.aclose()


class Channel:
    """What the relay knows of one channel."""

    def __init__(self):
        self.members = []
        self.open_questions = 0
        self.subscribed = False  # what was asked last, on this connection
        self.since = None  # confirmed since then, on this connection
        self.deaf_since = None


class RedisRelay:
    def __init__(self, url, *, capacity=100, heartbeat=5.0):
        never = Retry(NoBackoff(), 0, supported_errors=())
        self.pool = ConnectionPool.from_url(url, retry=never, protocol=2)
        self.capacity, self.heartbeat = capacity, heartbeat
        self.channels = defaultdict(Channel)
        self.connection = None
        self.runner = None
        self.closed = False
        self.news = asyncio.Event()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.aclose()

    def left(self, subscription):
        channel = self.channels[subscription.channel]
        if subscription in channel.members:
            channel.members.remove(subscription)
        if not channel.members:
            channel.deaf_since = None
        self.news.set()

    async def subscribe(self, channel):
        if self.closed:
            raise RelayClosed
        self.runner = self.runner or asyncio.create_task(self.run())
        subscription = Subscription(channel)
        subscription.left = self.left
        known = self.channels[channel]
        known.members.append(subscription)
        if known.subscribed and known.since is not None and not known.open_questions:
            subscription.state = "on"
            return subscription
        self.news.set()
        try:
            async with subscription.changed:
                await subscription.changed.wait_for(lambda: subscription.state != "asked")
        except asyncio.CancelledError:
            subscription.state = "off"
            self.left(subscription)
            raise
        if self.closed:
            raise RelayClosed
        return subscription

    async def aclose(self):
        self.closed = True
        members = [one for channel in self.channels.values() for one in channel.members]
        self.channels.clear()
        for subscription in members:
            await subscription.turn("off")
        if self.runner:
            self.runner.cancel()
            await asyncio.wait([self.runner])
        await self.pool.disconnect()

    async def run(self):
        while True:
            connection = self.pool.make_connection()
            for channel in self.channels.values():
                channel.open_questions, channel.subscribed, channel.since = 0, False, None
            tasks = []
            self.sure, self.asked_at = 0.0, deque()
            try:
                await connection.connect()
                tasks = [
                    asyncio.create_task(self.write(connection)),
                    asyncio.create_task(self.ping(connection)),
                    asyncio.create_task(self.read(connection)),
                ]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            except (RedisError, OSError):
                pass
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                for channel in self.channels.values():
                    if channel.since is not None:
                        channel.deaf_since = max(channel.since, self.sure)
                await connection.disconnect(nowait=True)
            await asyncio.sleep(0.5)

    async def write(self, connection):
        while True:
            self.news.clear()
            for name, channel in list(self.channels.items()):
                want = bool(channel.members)
                if want != channel.subscribed:
                    channel.subscribed = want
                    channel.open_questions += 1
                    if not want:
                        channel.since = None
                    await connection.send_command("SUBSCRIBE" if want else "UNSUBSCRIBE", name)
            await self.news.wait()

    async def ping(self, connection):
        while True:
            await asyncio.sleep(self.heartbeat * 0.8)
            self.asked_at.append(asyncio.get_running_loop().time())
            await connection.send_command("PING")

    async def read(self, connection):
        loop = asyncio.get_running_loop()
        while True:
            async with asyncio.timeout(self.heartbeat * 2):
                said = await connection.read_response(timeout=float("inf"), push_request=True)
            if said in (b"PONG", [b"pong", b""]):
                self.sure = self.asked_at.popleft()
                continue
            kind, name, value = said
            channel = self.channels[name.decode()]
            if kind == b"message":
                for one in list(channel.members):
                    await self.hand_over(one, Message(name.decode(), value))
                continue
            channel.open_questions -= 1
            if channel.open_questions or not channel.subscribed:
                continue
            again = channel.since is None and channel.deaf_since is not None
            since, channel.since = channel.deaf_since, loop.time()
            channel.deaf_since = None
            for one in list(channel.members):
                if one.state == "asked":
                    await one.turn("on")
                elif again:
                    async with one.changed:
                        one.waiting.append(Gap(channel.since - since))
                        one.changed.notify_all()

    async def hand_over(self, one, message):
        async with one.changed:
            if one.state != "on":
                return
            if sum(isinstance(m, Message) for m in one.waiting) < self.capacity:
                one.waiting.append(message)
                one.changed.notify_all()
                return
        self.left(one)
        await one.turn("slow")
