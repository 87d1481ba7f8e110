"""Rejected messages go through an exchange of the worker's; a connection for each transaction."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import aio_pika
import aiosqlite

Handler = Callable[[bytes], Awaitable[tuple[str, int]]]
"""A message's body -> whom to credit, and how many points. Raises if that cannot be said now."""


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

    worker = Worker(url, database, handle, stop, queue, prefetch, attempts, retry_delay)
    await worker.run()


class Worker:
    def __init__(self, url, database, handle, stop, queue, prefetch, attempts, retry_delay):
        self.__dict__.update(locals())
        self.tasks = set()

    async def run(self):
        connection = await aio_pika.connect_robust(self.url, fail_fast=False, reconnect_interval=1)
        async with connection:
            channel = self.channel = await connection.channel()
            await channel.set_qos(prefetch_count=self.prefetch)
            await channel.declare_queue(f"{self.queue}.dead", durable=True)
            await channel.declare_exchange(f"{self.queue}.later", "fanout", durable=True)
            q2 = await channel.declare_queue(
                f"{self.queue}.later",
                durable=True,
                arguments={
                    "x-message-ttl": int(self.retry_delay * 1000),
                    "x-dead-letter-exchange": "",
                    "x-dead-letter-routing-key": self.queue,
                },
            )
            await q2.bind(f"{self.queue}.later")
            q = await channel.declare_queue(
                self.queue,
                durable=True,
                arguments={"x-dead-letter-exchange": f"{self.queue}.later"},
            )
            tag = await q.consume(self.on_message)
            await self.stop.wait()
            await q.cancel(tag)
            while self.tasks:
                await asyncio.wait(self.tasks)

    async def on_message(self, message):
        if self.stop.is_set():
            return
        task = asyncio.create_task(self.one(message))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def one(self, message):
        with contextlib.suppress(ConnectionError, RuntimeError):
            try:
                if self.stop.is_set():
                    return
                result = await self.handle(message.body)
            except Exception:
                await self.bad(message)
                return
            await self.book(message.message_id, *result)
            await message.ack()

    async def book(self, mid, customer, points):
        async with aiosqlite.connect(self.database, isolation_level=None, timeout=30) as db:
            await db.execute("BEGIN IMMEDIATE")
            async with db.execute("SELECT 1 FROM processed WHERE message_id = ?", (mid,)) as c:
                known = await c.fetchone()
            if not known:
                await db.execute(
                    "INSERT INTO credits (customer, points) VALUES (?, ?)", (customer, points)
                )
                await db.execute("INSERT INTO processed VALUES (?)", (mid,))
            await db.execute("COMMIT")

    async def bad(self, message):
        times = next(
            (
                d["count"]
                for d in message.headers.get("x-death", ())
                if d["queue"] == self.queue and d["reason"] == "rejected"
            ),
            0,
        )
        if times + 1 >= self.attempts:
            await self.channel.default_exchange.publish(
                aio_pika.Message(
                    message.body,
                    message_id=message.message_id,
                    delivery_mode=2,
                    content_type=message.content_type,
                ),
                f"{self.queue}.dead",
            )
            await message.ack()
        else:
            await message.nack(requeue=False)
