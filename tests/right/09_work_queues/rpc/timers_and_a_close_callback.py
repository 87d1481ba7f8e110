"""A timer for each call; a callback fails all that wait when the connection breaks."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from datetime import timedelta

import aio_pika


class RemoteError(Exception):
    """The server has failed, and this is what it said."""


@dataclass
class Waiter:
    future: asyncio.Future
    timer: asyncio.TimerHandle | None = None


class RpcClient:
    def __init__(self, url: str) -> None:
        self.url = url
        self.waiters: dict[str, Waiter] = {}
        self.numbers = itertools.count(1)

    async def __aenter__(self) -> RpcClient:
        self.connection = await aio_pika.connect_robust(self.url, reconnect_interval=1)
        try:
            self.connection.close_callbacks.add(self._broken)
            self.channel = await self.connection.channel()
            self.replies = await self.channel.declare_queue("", exclusive=True, auto_delete=True)
            await self.replies.consume(self._got)
        except BaseException:
            await self.connection.close()
            raise
        return self

    async def __aexit__(self, *exc) -> None:
        await self.connection.close()

    def _broken(self, *_):
        for w in self.waiters.values():
            if not w.future.done():
                w.future.set_exception(ConnectionError("connection lost"))

    async def _got(self, m):
        await m.ack()
        w = self.waiters.get(m.correlation_id)
        if w is None or w.future.done():
            return
        if m.type == "error":
            w.future.set_exception(RemoteError(m.body.decode()))
        else:
            w.future.set_result(m.body)

    @property
    def pending(self) -> int:
        return len(self.waiters)

    def _late(self, w):
        if not w.future.done():
            w.future.set_exception(TimeoutError("no reply"))

    async def call(self, queue: str, body: bytes, *, within: float) -> bytes:
        loop = asyncio.get_running_loop()
        key = f"{id(self)}-{next(self.numbers)}"
        w = self.waiters[key] = Waiter(loop.create_future())
        w.timer = loop.call_later(within, self._late, w)
        publishing = None
        try:
            message = aio_pika.Message(
                body,
                correlation_id=key,
                reply_to=self.replies.name,
                expiration=timedelta(seconds=within),
            )
            publishing = asyncio.ensure_future(
                self.channel.default_exchange.publish(message, queue)
            )
            await asyncio.wait([publishing, w.future], return_when=asyncio.FIRST_COMPLETED)
            if not w.future.done():
                try:
                    await publishing
                except RuntimeError as e:
                    raise ConnectionError from e
            return await w.future
        finally:
            w.timer.cancel()
            del self.waiters[key]
            if publishing:
                publishing.cancel()
                await asyncio.wait([publishing])
                if not publishing.cancelled():
                    publishing.exception()
            if w.future.done() and not w.future.cancelled():
                w.future.exception()
