"""A callback connects anew when the connection breaks. The end of the block does not know of it.

mistake: none
fails: test_it_ends_while_the_broker_is_down
"""

import asyncio
import uuid

import aiormq
from pamqp.commands import Basic


class Unroutable(Exception):
    """No queue is bound."""


class Refused(Exception):
    """basic.nack."""


class Publisher:
    def __init__(self, url: str, exchange: str) -> None:
        self._url = url
        self._exchange = exchange
        self._connecting: asyncio.Task | None = None
        self._connection = None

    async def __aenter__(self):
        await self._channel()
        return self

    async def __aexit__(self, *_):
        await self._connection.close()

    async def _channel(self):
        if self._connecting is None or self._is_broken():
            self._connecting = asyncio.create_task(self._connect())
        return await asyncio.shield(self._connecting)

    def _is_broken(self):
        return self._connecting.done() and self._connecting.result().is_closed

    async def _connect(self):
        while True:
            try:
                self._connection = await aiormq.connect(self._url)
                return await self._connection.channel()
            except (OSError, aiormq.ChannelInvalidStateError):
                await asyncio.sleep(0.7)

    async def publish(self, routing_key, body):
        properties = Basic.Properties(message_id=str(uuid.uuid1()), delivery_mode=2)
        while True:
            channel = await self._channel()
            try:
                answer = await channel.basic_publish(
                    body,
                    exchange=self._exchange,
                    routing_key=routing_key,
                    properties=properties,
                    mandatory=True,
                )
            except aiormq.PublishError as error:
                raise Unroutable(routing_key) from error
            except aiormq.DeliveryError as error:
                raise Refused from error
            except (OSError, aiormq.ChannelInvalidStateError):
                await asyncio.sleep(0.1)
                continue
            assert isinstance(answer, Basic.Ack)
            return properties.message_id
