"""A robust connection without on_return_raises: it looks at what publish() gives back."""

import asyncio
import itertools
import os

import aio_pika
from pamqp.commands import Basic


class Unroutable(Exception):
    pass


class Refused(Exception):
    pass


numbers = itertools.count()
me = f"{os.getpid()}-{os.urandom(4).hex()}"


class Publisher:
    def __init__(self, url, exchange):
        self.url, self.name = url, exchange

    async def __aenter__(self):
        while True:
            self.connection = await self.first_connection()
            try:
                self.channel = await self.connection.channel()
                self.exchange = await self.channel.get_exchange(self.name)
                return self
            except (ConnectionError, RuntimeError):  # it broke at once
                await self.connection.close()

    async def first_connection(self):
        while True:
            try:
                return await aio_pika.connect_robust(self.url, reconnect_interval=2)
            except ConnectionError:
                await asyncio.sleep(2)

    async def __aexit__(self, *_):
        await self.connection.close()

    async def publish(self, routing_key, body):
        message_id = f"{me}-{next(numbers)}"
        properties = {"message_id": message_id, "delivery_mode": aio_pika.DeliveryMode.PERSISTENT}
        answer = None
        while answer is None:
            answer = await self.attempt(routing_key, aio_pika.Message(body, **properties))
            if answer is None:
                await asyncio.sleep(1)
        if isinstance(getattr(answer, "delivery", answer), Basic.Return):
            raise Unroutable(routing_key)
        return message_id

    async def attempt(self, routing_key, message):
        try:
            return await self.exchange.publish(message, routing_key, mandatory=True)
        except aio_pika.exceptions.DeliveryError as error:
            raise Refused(str(error)) from error
        except (aio_pika.exceptions.AMQPError, RuntimeError):
            return None
