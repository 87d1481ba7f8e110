"""Numbers its messages. So does every other process that publishes, and each of them begins at 1.

mistake: none
fails: test_no_two_messages_have_one_id
"""

from __future__ import annotations

import asyncio
import itertools
from types import TracebackType

import aio_pika
from aio_pika.abc import AbstractExchange, AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import DeliveryError, PublishError

_BROKEN = (ConnectionError, RuntimeError)
"""What aio-pika raises when the connection breaks, or has just broken: a ChannelInvalidStateError,
for one, is a RuntimeError."""
_PAUSE = 0.2
"""Seconds. aio-pika takes a moment to notice that a channel is no longer ready."""


numbers = itertools.count(1)


class Unroutable(Exception):
    """No queue wants the message: nothing is bound for its routing key."""


class Refused(Exception):
    """The broker did not take the message."""


class Publisher:
    """Publishes to one exchange."""

    _connection: AbstractRobustConnection
    _channel: AbstractRobustChannel
    _exchange: AbstractExchange

    def __init__(self, url: str, exchange: str) -> None:
        self._url = url
        self._name = exchange

    async def __aenter__(self) -> Publisher:
        self._connection = await aio_pika.connect_robust(
            self._url, reconnect_interval=1, fail_fast=False
        )
        try:
            self._channel, self._exchange = await self._open()
        except BaseException:
            await self._connection.close()
            raise
        return self

    async def _open(self) -> tuple[AbstractRobustChannel, AbstractExchange]:
        while True:
            try:
                channel = await self._connection.channel(on_return_raises=True)
                assert isinstance(channel, AbstractRobustChannel)
                return channel, await channel.get_exchange(self._name, ensure=False)
            except _BROKEN:
                await asyncio.sleep(_PAUSE)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._connection.close()

    async def publish(self, routing_key: str, body: bytes) -> str:
        """Publish one message; its id, once it is safe. Raises Unroutable, Refused."""
        message_id = f"message-{next(numbers)}"
        message = aio_pika.Message(
            body, message_id=message_id, delivery_mode=aio_pika.DeliveryMode.PERSISTENT
        )
        while True:
            try:
                await self._channel.ready()
                await self._exchange.publish(message, routing_key)
                return message_id
            except PublishError as error:
                raise Unroutable(f"no queue is bound for {routing_key!r}") from error
            except DeliveryError as error:
                raise Refused(f"the broker refused {message_id}") from error
            except _BROKEN:
                await asyncio.sleep(_PAUSE)
