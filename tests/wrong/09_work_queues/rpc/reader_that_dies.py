"""A loop reads the replies, and sets the result of a call that has ended. It was the last one.

mistake: chokes-on-late-reply
also: lost-exception
fails: test_late_and_odd_replies_are_dropped, test_a_server_that_dies_is_replaced,
    test_it_comes_back_after_a_break, test_cancelled_anywhere_it_leaves_nothing
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
        self.reader = asyncio.create_task(self.read())
        return self

    async def __aexit__(self, *_):
        self.reader.cancel()
        await asyncio.gather(self.reader, return_exceptions=True)
        await self.connection.close()

    @property
    def pending(self):
        return len(self.waiting)

    async def read(self):
        async with self.replies.iterator(no_ack=True) as replies:
            async for message in replies:
                self.waiting[message.correlation_id].set_result(message)

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
            raise ConnectionError("broken") from error
        finally:
            self.waiting.pop(number, None)
        if message.type == "error":
            raise RemoteError(message.body.decode())
        return message.body
