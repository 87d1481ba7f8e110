"""The relay reads the first hundred rows that are unsent, as one does.

If a hundred of them have to wait, it reads these, round after round, and nothing else.

mistake: head-of-line-blocking
fails: test_many_that_wait_hold_up_nobody_else
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import uuid
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType

import aio_pika
import aiosqlite

log = logging.getLogger(__name__)


class OrderExists(Exception):
    """There is an order with that id already."""


class CannotCancel(Exception):
    """There is no such order, or it has been cancelled."""


class Shop:
    """Takes orders, and tells others. For use in an `async with`."""

    def __init__(self, database: str | Path, url: str) -> None:
        self._database = database
        self._url = url
        self._lock = asyncio.Lock()
        self._bell = asyncio.Event()

    async def __aenter__(self) -> Shop:
        async with AsyncExitStack() as stack:
            self._db = await stack.enter_async_context(self._connect())
            relay_db = await stack.enter_async_context(self._connect())
            self._relaying = asyncio.create_task(self._relay(relay_db))
            self._stack = stack.pop_all()
        return self

    def _connect(self):
        return aiosqlite.connect(self._database, isolation_level=None, timeout=60)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._relaying.cancel()
            await asyncio.wait([self._relaying])
        finally:
            await self._stack.aclose()

    @asynccontextmanager
    async def _transaction(self):
        async with self._lock:
            try:
                await self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                await self._db.commit()
            finally:
                await self._db.rollback()
                self._bell.set()

    async def _tell(self, db, order_id: str, type: str, **data) -> None:
        await db.execute(
            "INSERT INTO outbox (message_id, order_id, type, data) VALUES (?, ?, ?, ?)",
            (str(uuid.uuid4()), order_id, type, json.dumps({"order_id": order_id, **data})),
        )

    async def place_order(self, order_id: str, customer: str, total: int) -> None:
        """Place an order over `total` cents. Raises OrderExists."""
        async with self._transaction() as db:
            try:
                await db.execute(
                    "INSERT INTO orders VALUES (?, ?, ?, 'placed')", (order_id, customer, total)
                )
            except sqlite3.IntegrityError:
                raise OrderExists(order_id) from None
            await self._tell(db, order_id, "OrderPlaced", customer=customer, total=total)

    async def cancel_order(self, order_id: str, reason: str) -> None:
        """Cancel an order. Raises CannotCancel."""
        async with self._transaction() as db:
            cursor = await db.execute(
                "UPDATE orders SET status = 'cancelled' "
                "WHERE order_id = ? AND status <> 'cancelled'",
                (order_id,),
            )
            if cursor.rowcount == 0:
                raise CannotCancel(order_id)
            await self._tell(db, order_id, "OrderCancelled", reason=reason)

    async def _relay(self, db) -> None:
        while True:
            try:
                async with await aio_pika.connect(self._url) as connection:
                    channel = await connection.channel(on_return_raises=True)
                    exchange = await channel.get_exchange("orders")
                    while True:
                        self._bell.clear()
                        await self._send_all(db, exchange)
                        with suppress(TimeoutError):
                            async with asyncio.timeout(1):
                                await self._bell.wait()
            except Exception as error:
                log.warning("the relay tries again: %r", error)
                await asyncio.sleep(1)

    async def _send_all(self, db, exchange) -> None:
        held = set()
        for id, message_id, order_id, type, data in await db.execute_fetchall(
            "SELECT id, message_id, order_id, type, data FROM outbox "
            "WHERE sent = 0 ORDER BY id LIMIT 100"
        ):
            if order_id in held:
                continue
            message = aio_pika.Message(
                data.encode(),
                message_id=message_id,
                content_type="application/json",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            try:
                await exchange.publish(message, type)
            except aio_pika.exceptions.DeliveryError:
                held.add(order_id)
            else:
                await db.execute("UPDATE outbox SET sent = 1 WHERE id = ?", (id,))
