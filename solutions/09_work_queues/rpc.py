"""Ask over RabbitMQ, and get the answer that belongs to the question."""

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

    _connection: AbstractRobustConnection
    _channel: AbstractRobustChannel
    _replies: AbstractRobustQueue

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: dict[str, asyncio.Future[AbstractIncomingMessage]] = {}

    async def __aenter__(self) -> RpcClient:
        self._connection = await aio_pika.connect_robust(self._url, reconnect_interval=1)
        try:
            channel = await self._connection.channel()
            assert isinstance(channel, AbstractRobustChannel)
            self._channel = channel
            # Exclusive: it is ours alone, and the broker deletes it when our connection is gone.
            # After a break the robust connection declares it anew, under the same name.
            self._replies = await self._channel.declare_queue(exclusive=True)
            # Nobody else could take a reply that we did not acknowledge.
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
                # Nobody needs to work on it when the time is up, and some of that may be gone.
                request = aio_pika.Message(
                    body,
                    correlation_id=number,
                    reply_to=self._replies.name,
                    expiration=max(0.0, up - loop.time()),
                )
                await self._channel.default_exchange.publish(request, queue)
                message = await reply
        except ChannelInvalidStateError as error:  # a RuntimeError, in aio-pika
            raise ConnectionError("the connection to the broker is broken") from error
        finally:
            del self._waiting[number]
        answer: bytes = message.body
        if message.type == "error":
            raise RemoteError(answer.decode())
        return answer

    async def _on_reply(self, message: AbstractIncomingMessage) -> None:
        reply = self._waiting.get(message.correlation_id or "")
        if reply is not None and not reply.done():  # not late, and not the second one
            reply.set_result(message)
