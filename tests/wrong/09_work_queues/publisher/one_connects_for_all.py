"""All wait for one task that connects, and none shields it: who is cancelled cancels it for all.

mistake: none
fails: test_a_cancelled_publish_ends_at_once, test_cancelled_anywhere_it_costs_nobody_anything
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
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._connection is not None:
            await self._connection.close()

    async def _channel(self):
        if self._connecting is None or self._is_broken():
            self._connecting = asyncio.create_task(self._connect())
        return await self._connecting

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
