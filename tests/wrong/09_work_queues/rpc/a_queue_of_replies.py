"""A queue of replies in memory; each call takes the next one, and wonders seldom.

mistake: reply-mixed-up
fails: test_each_call_gets_its_own_reply, test_late_and_odd_replies_are_dropped,
    test_cancelled_anywhere_it_leaves_nothing, test_it_comes_back_after_a_break,
    test_a_server_that_dies_is_replaced
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
        self.inbox = asyncio.Queue()

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
        self.inbox.put_nowait(message)

    async def call(self, queue, body, *, within):
        number = uuid.uuid4().hex
        self.waiting[number] = body
        request = aio_pika.Message(
            body, correlation_id=number, reply_to=self.replies.name, expiration=within
        )
        try:
            async with asyncio.timeout(within):
                await self.channel.ready()
                await self.channel.default_exchange.publish(request, queue)
                message = await self.inbox.get()
        except ChannelInvalidStateError as error:
            raise ConnectionError("broken") from error
        finally:
            self.waiting.pop(number, None)
        if message.type == "error":
            raise RemoteError(message.body.decode())
        return message.body
