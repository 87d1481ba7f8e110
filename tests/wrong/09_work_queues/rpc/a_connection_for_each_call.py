"""Opens a connection for each call: nothing is shared, and so nothing can be mixed up.

mistake: connection-per-message
fails: test_all_calls_share_one_queue_and_connection, test_it_comes_back_after_a_break
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
        self.replies = await self.channel.declare_queue(f"r.{uuid.uuid4().hex}", exclusive=True)
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
        async with asyncio.timeout(within):
            async with await aio_pika.connect(self.url):
                return await self.ask(number, queue, body, within)

    async def ask(self, number, queue, body, within):
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
            raise ConnectionError("broken") from error
        finally:
            self.waiting.pop(number, None)
        if message.type == "error":
            raise RemoteError(message.body.decode())
        return message.body
