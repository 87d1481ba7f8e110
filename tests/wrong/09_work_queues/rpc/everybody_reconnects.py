"""A call that finds the connection broken makes a new one. Two calls make two.

mistake: none
fails: test_it_comes_back_after_a_break
"""

import asyncio
import itertools

import aio_pika
from aio_pika.exceptions import ChannelInvalidStateError

DIRECT = "amq.rabbitmq.reply-to"


class RemoteError(Exception):
    pass


class RpcClient:
    def __init__(self, url):
        self.url = url
        self.numbers = itertools.count(1)
        self.calls = {}

    async def __aenter__(self):
        await self.connect()
        return self

    async def connect(self):
        self.connection = await aio_pika.connect(self.url)
        try:
            self.channel = await self.connection.channel()
            replies = await self.channel.get_queue(DIRECT, ensure=False)
            await replies.consume(self.take, no_ack=True)
        except BaseException:
            await self.connection.close()
            raise

    async def __aexit__(self, *_):
        await self.connection.close()

    @property
    def pending(self):
        return len(self.calls)

    async def take(self, message):
        future = self.calls.pop(message.correlation_id, None)
        if future and not future.done():
            future.set_result(message)

    async def call(self, queue, body, *, within):
        number = str(next(self.numbers))
        try:
            async with asyncio.timeout(within):
                if self.channel.is_closed:
                    await self.connect()
                future = self.calls[number] = asyncio.get_running_loop().create_future()
                request = aio_pika.Message(
                    body, reply_to=DIRECT, correlation_id=number, expiration=within
                )
                await self.channel.default_exchange.publish(request, queue)
                message = await future
        except ChannelInvalidStateError as error:
            raise ConnectionError(str(error)) from error
        finally:
            self.calls.pop(number, None)
        if message.type == "error":
            raise RemoteError(message.body.decode())
        return message.body
