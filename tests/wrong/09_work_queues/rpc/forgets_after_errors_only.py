"""Thinks of the reply and of the timeout. Being cancelled is a third way out.

mistake: leaked-waiter
fails: test_a_call_that_has_ended_is_not_remembered, test_cancelled_anywhere_it_leaves_nothing
"""

import asyncio
import uuid

import aio_pika
from aio_pika.exceptions import ChannelInvalidStateError


class RemoteError(Exception):
    pass


class RpcClient:
    def __init__(self, url):
        self.url = url
        self.waiting = {}

    async def __aenter__(self):
        self.connection = await aio_pika.connect_robust(self.url, reconnect_interval=1)
        self.channel = await self.connection.channel()
        self.replies = await self.channel.declare_queue(exclusive=True)
        await self.replies.consume(self.on_reply, no_ack=True)
        return self

    async def __aexit__(self, *_):
        await self.connection.close()

    @property
    def pending(self):
        return len(self.waiting)

    async def on_reply(self, message):
        future = self.waiting.get(message.correlation_id)
        if future is not None and not future.done():
            future.set_result(message)

    async def call(self, queue, body, *, within):
        number = uuid.uuid4().hex
        future = self.waiting[number] = asyncio.get_running_loop().create_future()
        request = aio_pika.Message(
            body, correlation_id=number, reply_to=self.replies.name, expiration=within
        )
        try:
            async with asyncio.timeout(within):
                await self.channel.ready()
                await self.channel.default_exchange.publish(request, queue)
                message = await future
        except ChannelInvalidStateError as error:
            del self.waiting[number]
            raise ConnectionError("broken") from error
        except Exception:
            del self.waiting[number]
            raise
        del self.waiting[number]
        if message.type == "error":
            raise RemoteError(message.body.decode())
        return message.body
