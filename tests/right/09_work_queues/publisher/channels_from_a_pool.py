"""aio-pika's pools: one connection, and as many channels as there are messages under way."""

import asyncio
import uuid

import aio_pika
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, DeliveryError, PublishError
from aio_pika.pool import Pool


class Unroutable(Exception):
    pass


class Refused(Exception):
    pass


BROKEN = (*CONNECTION_EXCEPTIONS, RuntimeError)


class Publisher:
    def __init__(self, url, exchange):
        self.url, self.exchange = url, exchange

    async def __aenter__(self):
        self.connection = await aio_pika.connect_robust(
            self.url, reconnect_interval=1, fail_fast=False
        )
        self.channels = Pool(self.another_channel)
        return self

    async def another_channel(self):
        while True:
            try:
                return await self.connection.channel(on_return_raises=True)
            except BROKEN:
                await asyncio.sleep(0.5)

    async def __aexit__(self, *_):
        await self.channels.close()
        await self.connection.close()

    async def publish(self, routing_key, body):
        message = aio_pika.Message(body, delivery_mode=2, message_id=str(uuid.uuid4()))
        async with self.channels.acquire() as channel:
            while True:
                try:
                    await channel.ready()
                    exchange = await channel.get_exchange(self.exchange, ensure=False)
                    await exchange.publish(message, routing_key)
                    return message.message_id
                except PublishError as error:
                    raise Unroutable(routing_key) from error
                except DeliveryError as error:
                    raise Refused(routing_key) from error
                except BROKEN:
                    await asyncio.sleep(0.5)
