"""Returned messages were a nuisance in the log, so it publishes with mandatory=False.

mistake: unroutable-lost
fails: test_what_no_queue_wants_is_unroutable, test_cancelled_anywhere_it_costs_nobody_anything
"""

import asyncio
import uuid

import aio_pika


class Unroutable(Exception):
    pass


class Refused(Exception):
    pass


class Publisher:
    def __init__(self, url, exchange):
        self.url, self.name = url, exchange
        self.connection = self.exchange = None
        self.lock = asyncio.Lock()

    async def __aenter__(self):
        await self.reconnect()
        return self

    async def __aexit__(self, *_):
        await self.connection.close()

    async def reconnect(self):
        async with self.lock:
            while self.exchange is None or self.exchange.channel.is_closed:
                try:
                    self.connection = await aio_pika.connect(self.url)
                    channel = await self.connection.channel(on_return_raises=True)
                    self.exchange = await channel.get_exchange(self.name)
                except OSError:
                    await asyncio.sleep(1)

    async def publish(self, routing_key, body):
        message = aio_pika.Message(body, message_id=uuid.uuid4().hex, delivery_mode=2)
        while True:
            try:
                await self.exchange.publish(message, routing_key, mandatory=False)
                return message.message_id
            except aio_pika.exceptions.PublishError:
                raise Unroutable(routing_key) from None
            except aio_pika.exceptions.DeliveryError:
                raise Refused(routing_key) from None
            except (OSError, aio_pika.exceptions.ChannelInvalidStateError):
                await self.reconnect()
