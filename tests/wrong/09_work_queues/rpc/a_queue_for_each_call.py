"""A reply queue for each call: no correlation ids needed, says the tutorial, and it is right.

Declaring a queue is the most expensive thing that one can ask of a broker.

mistake: reply-queue-per-call
fails: test_all_calls_share_one_queue_and_connection, test_cancelled_anywhere_it_leaves_nothing
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
        request = aio_pika.Message(body, correlation_id=number, expiration=within)
        try:
            async with asyncio.timeout(within):
                await self.channel.ready()
                replies = await self.channel.declare_queue(exclusive=True, auto_delete=True)
                tag = await replies.consume(self.on_reply, no_ack=True)
                request.reply_to = replies.name
                await self.channel.default_exchange.publish(request, queue)
                message = await future
                await replies.cancel(tag)
        except ChannelInvalidStateError as error:
            raise ConnectionError("broken") from error
        finally:
            self.waiting.pop(number, None)
        if message.type == "error":
            raise RemoteError(message.body.decode())
        return message.body
