"""Lets aio-pika's exceptions through: some of those of a broken connection are no ConnectionError.

mistake: none
fails: test_it_comes_back_after_a_break, test_no_reply_is_a_timeout
"""

import asyncio
import os

import aio_pika


class RemoteError(Exception):
    pass


class RpcClient:
    def __init__(self, url):
        self._url = url
        self._name = f"replies.{os.urandom(6).hex()}"
        self._futures = {}
        self._serial = 0

    async def __aenter__(self):
        self._connection = await aio_pika.connect_robust(self._url, reconnect_interval=3)
        self._channel = await self._connection.channel(publisher_confirms=False)
        self._connection.close_callbacks.add(self._broken)
        queue = await self._channel.declare_queue(self._name, exclusive=True, auto_delete=True)
        await queue.consume(self._receive)
        return self

    async def __aexit__(self, *_):
        await self._connection.close()

    def _broken(self, *_):
        for future in self._futures.values():
            if not future.done():
                future.set_exception(ConnectionError("the connection broke"))

    @property
    def pending(self):
        return len(self._futures)

    async def _receive(self, message):
        await message.ack()
        future = self._futures.get(message.correlation_id)
        if future is None or future.done():
            return
        if message.type == "error":
            future.set_exception(RemoteError(message.body.decode("utf-8")))
        else:
            future.set_result(message.body)

    async def call(self, queue, body, *, within):
        loop = asyncio.get_running_loop()
        self._serial += 1
        number = f"{self._name}/{self._serial}"
        future = loop.create_future()
        self._futures[number] = future
        timer = loop.call_later(within, self._late, future)
        request = aio_pika.Message(
            body, correlation_id=number, reply_to=self._name, expiration=within
        )
        try:
            await self._channel.default_exchange.publish(request, queue)
            return await future
        finally:
            timer.cancel()
            del self._futures[number]
            if future.done() and not future.cancelled():
                future.exception()

    def _late(self, future):
        if not future.done():
            future.set_exception(TimeoutError())
