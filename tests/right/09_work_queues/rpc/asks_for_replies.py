"""No consumer: a task fetches replies one by one, and asks again in 50 ms when there is none."""

import asyncio
import itertools

import aio_pika
from aio_pika.exceptions import AMQPError


class RemoteError(Exception):
    pass


class RpcClient:
    numbers = itertools.count()

    def __init__(self, url):
        self.url = url
        self.slots = {}

    async def __aenter__(self):
        self.connection = await aio_pika.connect_robust(self.url, reconnect_interval=1)
        self.channel = await self.connection.channel()
        self.replies = await self.channel.declare_queue(exclusive=True)
        self.fetching = asyncio.create_task(self.fetch())
        return self

    async def __aexit__(self, *_):
        self.fetching.cancel()
        await asyncio.wait([self.fetching])
        await self.connection.close()

    pending = property(lambda self: len(self.slots))

    async def fetch(self):
        while True:
            try:
                message = await self.replies.get(no_ack=True, fail=False)
            except (AMQPError, ConnectionError, RuntimeError):
                message = None
            if message is None:
                await asyncio.sleep(0.05 if self.slots else 0.2)
                continue
            slot = self.slots.get(message.correlation_id)
            if slot is not None and slot.empty():
                slot.put_nowait(message)

    async def call(self, queue, body, *, within):
        up = asyncio.get_running_loop().time() + within
        me = str(next(self.numbers))
        slot = self.slots[me] = asyncio.Queue(1)
        try:
            async with asyncio.timeout_at(up):
                await self.send(me, queue, body, up)
                reply = await slot.get()
        finally:
            del self.slots[me]
        if reply.type == "error":
            raise RemoteError(reply.body.decode())
        return reply.body

    async def send(self, me, queue, body, up):
        try:
            await self.channel.ready()
            left = max(0.0, up - asyncio.get_running_loop().time())
            request = aio_pika.Message(
                body, correlation_id=me, reply_to=self.replies.name, expiration=left
            )
            await self.channel.default_exchange.publish(request, queue)
        except RuntimeError as error:
            raise ConnectionError(str(error)) from error
