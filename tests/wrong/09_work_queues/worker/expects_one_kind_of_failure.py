"""Handlers raised RuntimeError when it was written. Whatever else they raise ends the task.

mistake: none
fails: test_a_failed_message_is_tried_again_later,
    test_a_message_that_never_succeeds_is_put_aside,
    test_killed_anywhere_a_failed_message_is_not_lost
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import aio_pika
import aiosqlite
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import ChannelInvalidStateError

Handler = Callable[[bytes], Awaitable[tuple[str, int]]]
"""A message's body -> whom to credit, and how many points. Raises if that cannot be said now."""

_BROKEN = (ConnectionError, ChannelInvalidStateError)
"""What aio-pika raises when the connection breaks, or has just broken."""


async def work(
    url: str,
    database: str | Path,
    handle: Handler,
    stop: asyncio.Event,
    *,
    queue: str,
    prefetch: int = 10,
    attempts: int = 3,
    retry_delay: float = 30.0,
) -> None:
    """Credit what is in `queue` until `stop` is set."""
    async with aiosqlite.connect(database) as db:
        connection = await aio_pika.connect_robust(url, reconnect_interval=1, fail_fast=False)
        async with connection:
            while True:
                try:
                    channel = await connection.channel()
                    tasks = await _declare(channel, queue, prefetch, retry_delay)
                    worker = _Worker(db, handle, stop, channel, queue, attempts)
                    tag = await tasks.consume(worker.on_message)
                    break
                except _BROKEN:
                    await asyncio.sleep(1)
            await stop.wait()
            with suppress(*_BROKEN, TimeoutError):
                async with asyncio.timeout(5):
                    await tasks.cancel(tag)
            await worker.idle.wait()


async def _declare(
    channel: AbstractChannel, name: str, prefetch: int, retry_delay: float
) -> AbstractQueue:
    """The queue of tasks; what is rejected there waits in another, and then comes back."""
    await channel.set_qos(prefetch_count=prefetch)
    await channel.declare_queue(f"{name}.dead", durable=True)
    await channel.declare_queue(
        f"{name}.retry",
        durable=True,
        arguments={
            "x-message-ttl": round(retry_delay * 1000),
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": name,
        },
    )
    return await channel.declare_queue(
        name,
        durable=True,
        arguments={
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": f"{name}.retry",
        },
    )


class _Worker:
    """What is done with one message after another, or with several at once."""

    def __init__(
        self,
        db: aiosqlite.Connection,
        handle: Handler,
        stop: asyncio.Event,
        channel: AbstractChannel,
        queue: str,
        attempts: int,
    ) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self._db = db
        self._handle = handle
        self._stop = stop
        self._channel = channel
        self._queue = queue
        self._attempts = attempts
        self._busy = 0
        self._transaction = asyncio.Lock()

    async def on_message(self, message: AbstractIncomingMessage) -> None:
        """One message: aio-pika calls it in a task of its own, at most `prefetch` at once."""
        if self._stop.is_set():
            return
        self._busy += 1
        self.idle.clear()
        try:
            await self._process(message)
        finally:
            self._busy -= 1
            if not self._busy:
                self.idle.set()

    async def _process(self, message: AbstractIncomingMessage) -> None:
        with suppress(*_BROKEN):
            try:
                customer, points = await self._handle(message.body)
                await self._credit(message.message_id, customer, points)
            except RuntimeError:
                await self._failed(message)
            else:
                await message.ack()

    async def _credit(self, message_id: str | None, customer: str, points: int) -> None:
        """The id and the effect in one transaction: both are there, or neither."""
        async with self._transaction:
            try:
                cursor = await self._db.execute(
                    "INSERT OR IGNORE INTO processed VALUES (?)", (message_id,)
                )
                if cursor.rowcount:
                    await self._db.execute("INSERT INTO credits VALUES (?, ?)", (customer, points))
                await self._db.commit()
            finally:
                await self._db.rollback()

    async def _failed(self, message: AbstractIncomingMessage) -> None:
        if _failures_before(message, self._queue) + 1 < self._attempts:
            await message.reject()
            return
        dead = aio_pika.Message(
            message.body,
            headers=message.headers,
            message_id=message.message_id,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await self._channel.default_exchange.publish(dead, f"{self._queue}.dead")
        await message.ack()


def _failures_before(message: AbstractIncomingMessage, queue: str) -> int:
    """How often this queue has rejected the message: the broker counts in the header x-death."""
    deaths = message.headers.get("x-death", [])
    assert isinstance(deaths, list)
    for death in deaths:
        if isinstance(death, dict) and (death["queue"], death["reason"]) == (queue, "rejected"):
            count = death["count"]
            assert isinstance(count, int)
            return count
    return 0
