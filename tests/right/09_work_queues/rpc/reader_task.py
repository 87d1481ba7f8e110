"""Plain connections, a task that reads replies from an iterator, and an event for each call."""

import asyncio
import contextlib
import time
from uuid import uuid4

import aio_pika
from aio_pika import exceptions


class RemoteError(Exception):
    pass


class Call:
    def __init__(self):
        self.event = asyncio.Event()
        self.reply = None


class RpcClient:
    def __init__(self, url):
        self.url = url
        self.calls = {}
        self.connected = asyncio.Event()

    async def __aenter__(self):
        self.reader = asyncio.create_task(self.read())
        connected = asyncio.create_task(self.connected.wait())
        try:
            await asyncio.wait({self.reader, connected}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            connected.cancel()
            if not self.connected.is_set():
                await self.__aexit__()
        return self

    async def __aexit__(self, *_):
        self.reader.cancel()
        await asyncio.gather(self.reader, return_exceptions=True)

    async def read(self):
        while True:
            try:
                async with await aio_pika.connect(self.url) as connection:
                    await self.read_from(connection)
            except (OSError, exceptions.ChannelInvalidStateError):
                pass
            self.connected.clear()
            await asyncio.sleep(2)

    async def read_from(self, connection):
        self.channel = await connection.channel()
        self.queue = await self.channel.declare_queue(exclusive=True, auto_delete=True)
        inbox = asyncio.Queue()
        await self.queue.consume(inbox.put)
        self.connected.set()
        over = asyncio.ensure_future(self.channel.closed())
        try:
            while not over.done():
                getting = asyncio.create_task(inbox.get())
                try:
                    await asyncio.wait({getting, over}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    getting.cancel()
                if getting.done() and not getting.cancelled():
                    await self.deliver(getting.result())
        finally:
            over.cancel()

    async def deliver(self, message):
        call = self.calls.get(message.correlation_id)
        if call is not None:
            call.reply = call.reply or message
            call.event.set()
        await message.ack()

    @property
    def pending(self):
        return len(self.calls)

    async def call(self, queue, body, *, within):
        me = str(uuid4())
        call = self.calls[me] = Call()
        try:
            return await asyncio.wait_for(self.ask(queue, body, within, me, call), within)
        except (exceptions.AMQPError, exceptions.ChannelInvalidStateError) as error:
            raise ConnectionError(repr(error)) from None
        finally:
            with contextlib.suppress(KeyError):
                del self.calls[me]

    async def ask(self, queue, body, within, me, call):
        began = time.monotonic()
        await self.connected.wait()
        left = within - (time.monotonic() - began)
        await self.channel.default_exchange.publish(
            aio_pika.Message(
                body,
                correlation_id=me,
                reply_to=self.queue.name,
                expiration=max(left, 0.001),
                delivery_mode=2,
            ),
            queue,
        )
        await call.event.wait()
        if call.reply.type == "error":
            raise RemoteError(call.reply.body.decode())
        return call.reply.body
