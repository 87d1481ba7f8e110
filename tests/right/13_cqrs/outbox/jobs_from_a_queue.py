"""One task has the database, and does jobs from a queue; the relay sends orders side by side."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aio_pika
import aiosqlite

log = logging.getLogger(__name__)


class OrderExists(Exception):
    pass


class CannotCancel(Exception):
    pass


@dataclass
class Row:
    id: int
    message_id: str
    order_id: str
    type: str
    data: str


Job = Callable[[aiosqlite.Connection], Awaitable[Any]]


class Database:
    """Jobs, one after another, each in a transaction of its own."""

    def __init__(self, path) -> None:
        self._path = path
        self._jobs: asyncio.Queue[tuple[Job, asyncio.Future[Any]] | None] = asyncio.Queue()

    async def work(self) -> None:
        async with aiosqlite.connect(self._path, isolation_level=None) as db:
            while (item := await self._jobs.get()) is not None:
                job, answer = item
                if answer.cancelled():
                    continue
                try:
                    await db.execute("BEGIN IMMEDIATE")
                    result = await job(db)
                    await db.execute("COMMIT")
                except Exception as error:
                    await db.rollback()
                    if not answer.done():
                        answer.set_exception(error)
                else:
                    if not answer.done():
                        answer.set_result(result)

    async def run(self, job: Job) -> Any:
        answer = asyncio.get_running_loop().create_future()
        self._jobs.put_nowait((job, answer))
        return await answer

    def stop(self) -> None:
        self._jobs.put_nowait(None)


class Shop:
    def __init__(self, database, url) -> None:
        self._db = Database(database)
        self._url = url
        self._more = asyncio.Event()

    async def __aenter__(self) -> Shop:
        self._worker = asyncio.create_task(self._db.work())
        self._relay = asyncio.create_task(self._relaying())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._relay.cancel()
        await asyncio.gather(self._relay, return_exceptions=True)
        self._db.stop()
        await self._worker

    async def place_order(self, order_id: str, customer: str, total: int) -> None:
        async def job(db):
            try:
                await db.execute(
                    "INSERT INTO orders VALUES (?, ?, ?, ?)", (order_id, customer, total, "placed")
                )
            except sqlite3.IntegrityError:
                raise OrderExists(order_id) from None
            data = {"order_id": order_id, "customer": customer, "total": total}
            await self._tell(db, order_id, "OrderPlaced", data)

        await self._db.run(job)
        self._more.set()

    async def cancel_order(self, order_id: str, reason: str) -> None:
        async def job(db):
            [*rows] = await db.execute_fetchall(
                "SELECT status FROM orders WHERE order_id = ?", (order_id,)
            )
            if not rows or rows[0][0] == "cancelled":
                raise CannotCancel(order_id)
            await db.execute("UPDATE orders SET status='cancelled' WHERE order_id=?", (order_id,))
            data = {"order_id": order_id, "reason": reason}
            await self._tell(db, order_id, "OrderCancelled", data)

        await self._db.run(job)
        self._more.set()

    @staticmethod
    async def _tell(db, order_id, kind, data) -> None:
        await db.execute(
            "INSERT INTO outbox (message_id, order_id, type, data) VALUES (?, ?, ?, ?)",
            (str(uuid.uuid4()), order_id, kind, json.dumps(data)),
        )

    async def _relaying(self) -> None:
        while True:
            try:
                connection = await aio_pika.connect(self._url, timeout=3)
                async with connection:
                    channel = await connection.channel()
                    exchange = await channel.get_exchange("orders")
                    await self._serve(exchange)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                log.info("the broker is away: %r", error)
            await asyncio.sleep(0.5)

    async def _serve(self, exchange) -> None:
        while True:
            self._more.clear()

            async def unsent(db):
                sql = "SELECT id, message_id, order_id, type, data FROM outbox WHERE sent = 0"
                return [Row(*row) for row in await db.execute_fetchall(sql + " ORDER BY id")]

            orders: dict[str, list[Row]] = {}
            for row in await self._db.run(unsent):
                orders.setdefault(row.order_id, []).append(row)
            done: list[int] = []
            try:
                async with asyncio.TaskGroup() as group:
                    for rows in orders.values():
                        group.create_task(self._send(exchange, rows, done))
            finally:
                if done:
                    await self._mark(done)
            try:
                async with asyncio.timeout(2):
                    await self._more.wait()
            except TimeoutError:
                pass

    async def _mark(self, done: list[int]) -> None:
        async def job(db):
            await db.executemany("UPDATE outbox SET sent = 1 WHERE id = ?", [(n,) for n in done])

        await self._db.run(job)

    async def _send(self, exchange, rows: list[Row], done: list[int]) -> None:
        for row in rows:
            message = aio_pika.Message(
                row.data.encode(),
                message_id=row.message_id,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            answer = await exchange.publish(message, row.type)
            if answer is None or answer.name != "Basic.Ack":
                return
            done.append(row.id)
