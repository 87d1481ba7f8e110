"""Publishes again when the connection breaks, three times, as retries are usually made.

Three breaks in a row are what a broker that is being upgraded looks like, node by node. The message
may be in the queue or not, and publish raises.

mistake: gives-up-unconfirmed
fails: test_a_broken_connection_loses_nothing
"""

from __future__ import annotations

import asyncio
import uuid
from types import TracebackType

import aio_pika
from aio_pika.exceptions import ChannelInvalidStateError, DeliveryError, PublishError


class Unroutable(Exception):
    """No queue wants the message: nothing is bound for its routing key."""


class Refused(Exception):
    """The broker did not take the message."""


class Publisher:
    def __init__(self, url: str, exchange: str) -> None:
        """`url`: of the broker, such as "amqp://guest:guest@127.0.0.1:5672/"."""
        self._url = url
        self._exchange_name = exchange

    async def __aenter__(self) -> Publisher:
        while True:
            self._connection = await aio_pika.connect_robust(self._url, fail_fast=False)
            try:
                self._channel = await self._connection.channel(on_return_raises=True)
                self._exchange = await self._channel.get_exchange(self._exchange_name)
                return self
            except ConnectionError:
                await self._connection.close()
                await asyncio.sleep(0.5)
            except BaseException:
                await self._connection.close()
                raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._connection.close()

    async def publish(self, routing_key: str, body: bytes) -> str:
        """Publish one message; its id, once it is safe. Raises Unroutable, Refused."""
        message = aio_pika.Message(
            body,
            message_id=str(uuid.uuid4()),
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        for _ in range(3):
            try:
                await self._channel.ready()
                await self._exchange.publish(message, routing_key)
                return message.message_id
            except PublishError:
                raise Unroutable(routing_key) from None
            except DeliveryError:
                raise Refused(routing_key) from None
            except (ConnectionError, ChannelInvalidStateError):
                await asyncio.sleep(1)
        raise ConnectionError
