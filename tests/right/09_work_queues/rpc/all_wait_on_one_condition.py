"""A dataclass: replies that somebody waits for are kept, and all wait on one condition."""

import asyncio
import contextlib
import uuid
from dataclasses import dataclass, field

import aio_pika
from aio_pika.exceptions import AMQPError


class RemoteError(Exception):
    pass


@dataclass
class RpcClient:
    url: str
    expected: set = field(default_factory=set)
    replies: dict = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    stack: contextlib.AsyncExitStack | None = None

    async def __aenter__(self):
        async with contextlib.AsyncExitStack() as stack:
            connection = await aio_pika.connect_robust(self.url, reconnect_interval=2)
            await stack.enter_async_context(connection)
            self.channel = await connection.channel()
            await self.channel.set_qos(prefetch_count=50)
            self.queue = await self.channel.declare_queue(
                f"replies-{uuid.uuid4()}",
                exclusive=True,
                auto_delete=True,
                arguments={"x-expires": 60_000},
            )
            await self.queue.consume(self.received)
            self.stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc):
        await self.stack.__aexit__(*exc)

    async def received(self, message):
        async with message.process(), self.changed:
            if message.correlation_id in self.expected:
                self.replies.setdefault(message.correlation_id, message)
                self.changed.notify_all()

    @property
    def pending(self):
        return len(self.expected)

    async def call(self, queue, body, *, within):
        me = uuid.uuid4().hex
        end = asyncio.get_running_loop().time() + within
        self.expected.add(me)
        try:
            async with asyncio.timeout_at(end):
                await self.send(me, queue, body, end)
                async with self.changed:
                    await self.changed.wait_for(lambda: me in self.replies)
                reply = self.replies[me]
        finally:
            self.expected.discard(me)
            self.replies.pop(me, None)
        match reply.type:
            case "error":
                raise RemoteError(str(reply.body, "utf-8"))
            case _:
                return reply.body

    async def send(self, me, queue, body, end):
        try:
            await self.channel.ready()
            left = max(end - asyncio.get_running_loop().time(), 0.001)
            message = aio_pika.Message(
                body, correlation_id=me, reply_to=self.queue.name, expiration=left
            )
            await self.channel.default_exchange.publish(message, queue)
        except (AMQPError, RuntimeError) as error:
            raise ConnectionError("broken") from error
