"""Whoever finds the connection broken makes a new one. After an outage that is everybody.

mistake: none
fails: test_a_broker_that_is_down_is_waited_for
"""

import asyncio
import contextlib
from uuid import uuid4

import aio_pika
from aio_pika import exceptions


class Unroutable(Exception):
    pass


class Refused(Exception):
    pass


class Publisher:
    def __init__(self, url, exchange):
        self.url, self.name = url, exchange
        self.connection = self.exchange = None

    async def __aenter__(self):
        await self.usable()
        return self

    async def __aexit__(self, *_):
        if self.connection is not None:
            await self.connection.close()

    async def usable(self):
        while self.exchange is None or self.exchange.channel.is_closed:
            try:
                if self.connection is not None:
                    with contextlib.suppress(Exception):
                        await self.connection.close()
                self.connection = await aio_pika.connect(self.url)
                channel = await self.connection.channel(on_return_raises=True)
                self.exchange = await channel.declare_exchange(self.name, "topic", durable=True)
            except OSError:
                await asyncio.sleep(1)
        return self.exchange

    async def publish(self, routing_key, body):
        message = aio_pika.Message(body, message_id=str(uuid4()), delivery_mode=2)
        while True:
            exchange = await self.usable()
            try:
                await exchange.publish(message, routing_key)
            except exceptions.PublishError:
                raise Unroutable(routing_key) from None
            except exceptions.DeliveryError:
                raise Refused(routing_key) from None
            except (OSError, exceptions.ChannelInvalidStateError):
                continue
            return message.message_id
