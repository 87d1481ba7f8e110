"""The dictionary of those who wait is made with the class, and so every client has the same one.

mistake: none
fails: test_clients_do_not_disturb_each_other
"""

from __future__ import annotations

import asyncio
import uuid
from types import TracebackType

import aio_pika
from aio_pika.abc import (
    AbstractIncomingMessage,
    AbstractRobustChannel,
    AbstractRobustConnection,
    AbstractRobustQueue,
)
from aio_pika.exceptions import ChannelInvalidStateError


class RemoteError(Exception):
    """The server has failed, and this is what it said."""


class RpcClient:
    """Calls servers over a broker."""

    _waiting = {}  # noqa: RUF012
    _connection: AbstractRobustConnection
    _channel: AbstractRobustChannel
    _replies: AbstractRobustQueue

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> RpcClient:
        self._connection = await aio_pika.connect_robust(self._url, reconnect_interval=1)
        try:
            channel = await self._connection.channel()
            assert isinstance(channel, AbstractRobustChannel)
            self._channel = channel
            self._replies = await self._channel.declare_queue(exclusive=True)
            await self._replies.consume(self._on_reply, no_ack=True)
        except BaseException:
            await self._connection.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._connection.close()

    @property
    def pending(self) -> int:
        """How many calls wait for a reply."""
        return len(self._waiting)

    async def call(self, queue: str, body: bytes, *, within: float) -> bytes:
        """The reply to a request; `within` so many seconds."""
        loop = asyncio.get_running_loop()
        up = loop.time() + within
        number = uuid.uuid4().hex
        reply = self._waiting[number] = loop.create_future()
        try:
            async with asyncio.timeout_at(up):
                await self._channel.ready()
                request = aio_pika.Message(
                    body,
                    correlation_id=number,
                    reply_to=self._replies.name,
                    expiration=max(0.0, up - loop.time()),
                )
                await self._channel.default_exchange.publish(request, queue)
                message = await reply
        except ChannelInvalidStateError as error:
            raise ConnectionError("the connection to the broker is broken") from error
        finally:
            del self._waiting[number]
        answer: bytes = message.body
        if message.type == "error":
            raise RemoteError(answer.decode())
        return answer

    async def _on_reply(self, message: AbstractIncomingMessage) -> None:
        reply = self._waiting.get(message.correlation_id or "")
        if reply is not None and not reply.done():
            reply.set_result(message)
