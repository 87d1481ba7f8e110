"""The call times out, and its request lies in the queue until a server comes and works for nobody.

mistake: serves-the-dead
fails: test_a_request_that_nobody_waits_for_is_not_served
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
        request = aio_pika.Message(body, correlation_id=number, reply_to=self.replies.name)
        try:
            async with asyncio.timeout(within):
                await self.channel.ready()
                await self.channel.default_exchange.publish(request, queue)
                message = await future
        except ChannelInvalidStateError as error:
            raise ConnectionError("broken") from error
        finally:
            self.waiting.pop(number, None)
        if message.type == "error":
            raise RemoteError(message.body.decode())
        return message.body
