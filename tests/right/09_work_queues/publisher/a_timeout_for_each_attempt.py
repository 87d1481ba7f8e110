"""A timeout around each attempt, so that a silent peer costs 20 s; pauses grow, up to 10 s."""

import asyncio
import secrets

import aio_pika
from aio_pika.exceptions import DeliveryError
from pamqp.commands import Basic


class Unroutable(Exception):
    pass


class Refused(Exception):
    pass


class Publisher:
    def __init__(self, url, exchange):
        self.url, self.name = url, exchange
        self.connection = self.exchange = None

    async def __aenter__(self):
        pause = 0.25
        while self.connection is None:
            try:
                self.connection = await aio_pika.connect_robust(
                    self.url, timeout=30, reconnect_interval=2
                )
            except (ConnectionError, TimeoutError):
                await asyncio.sleep(pause)
                pause = min(pause * 2, 10)
        while self.exchange is None:
            try:
                channel = await self.connection.channel()
                self.exchange = await channel.get_exchange(self.name)
            except (ConnectionError, RuntimeError):
                await asyncio.sleep(0.5)
        return self

    async def __aexit__(self, *_):
        await self.connection.close()

    async def publish(self, routing_key, body):
        message_id = secrets.token_urlsafe(16)
        answer = None
        while answer is None:
            answer = await self.attempt(message_id, routing_key, body)
        if not isinstance(answer, Basic.Ack):
            raise Unroutable(routing_key)
        return message_id

    async def attempt(self, message_id, routing_key, body):
        message = aio_pika.Message(body, message_id=message_id, delivery_mode=2)
        try:
            async with asyncio.timeout(20):
                return await self.exchange.publish(message, routing_key)
        except DeliveryError as error:
            raise Refused(routing_key) from error
        except (ConnectionError, RuntimeError, TimeoutError):
            await asyncio.sleep(0.5)
            return None
