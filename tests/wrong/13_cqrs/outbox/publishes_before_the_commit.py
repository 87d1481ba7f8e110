"""Publishes within the transaction: if that fails, the order is rolled back, too.

And if the commit fails, or the process dies before it, the warehouse packs what nobody has
ordered.

mistake: dual-write
also: needs-the-broker
fails: test_killed_anywhere_nothing_is_untold, test_a_command_changes_the_order_and_tells,
    test_commands_run_side_by_side, test_the_shop_sells_without_the_broker,
    test_cancelled_anywhere_it_is_all_or_nothing, test_it_marks_after_the_confirm,
    test_one_that_is_returned_holds_up_its_order, test_a_broken_connection_loses_nothing,
    test_it_carries_on_after_an_outage, test_two_relays_lose_nothing,
    test_what_is_refused_is_tried_again, test_what_was_left_behind_is_sent,
    test_at_the_end_it_stops, test_messages_outlive_the_broker,
    test_what_was_never_committed_is_told_to_nobody
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType

import aio_pika
import aiosqlite
from aio_pika.abc import AbstractExchange
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError, DeliveryError

_BROKEN = (OSError, AMQPError, ChannelInvalidStateError)
"""What aio-pika raises if the broker is not there, or has just gone."""
_PAUSE = 1.0
"""Seconds between two looks into the outbox, if nobody here has written; between two attempts."""


class OrderExists(Exception):
    """There is an order with that id already."""


class CannotCancel(Exception):
    """There is no such order, or it has been cancelled."""


class Shop:
    """Takes orders, and tells others. For use in an `async with`."""

    _relay: asyncio.Task[None]

    def __init__(self, database: str | Path, url: str) -> None:
        self._database = database
        self._url = url
        self._written = asyncio.Event()

    async def __aenter__(self) -> Shop:
        self._relay = asyncio.create_task(self._keep_relaying())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # What is under way may be sent again by the next one. Nothing that is needed is in memory.
        self._relay.cancel()
        await asyncio.wait([self._relay])
        if not self._relay.cancelled():
            self._relay.result()  # it never ends by itself: an error of ours, to be seen

    async def place_order(self, order_id: str, customer: str, total: int) -> None:
        """Place an order over `total` cents. Raises OrderExists."""
        async with self._transaction() as db:
            try:
                await db.execute(
                    "INSERT INTO orders VALUES (?, ?, ?, 'placed')", (order_id, customer, total)
                )
            except sqlite3.IntegrityError as error:
                raise OrderExists(order_id) from error
            row = await _add(db, order_id, "OrderPlaced", customer=customer, total=total)
            await self._tell(db, "OrderPlaced", *row)

    async def cancel_order(self, order_id: str, reason: str) -> None:
        """Cancel an order. Raises CannotCancel."""
        async with self._transaction() as db:
            cursor = await db.execute(
                "UPDATE orders SET status = 'cancelled' WHERE order_id = ? "
                "AND status <> 'cancelled'",
                (order_id,),
            )
            if cursor.rowcount == 0:
                raise CannotCancel(order_id)
            row = await _add(db, order_id, "OrderCancelled", reason=reason)
            await self._tell(db, "OrderCancelled", *row)

    async def _tell(self, db: aiosqlite.Connection, kind: str, message_id: str, data: str) -> None:
        async with await aio_pika.connect(self._url) as connection:
            channel = await connection.channel(on_return_raises=True)
            exchange = await channel.get_exchange("orders", ensure=False)
            message = aio_pika.Message(data.encode(), message_id=message_id, delivery_mode=2)
            await exchange.publish(message, kind)
        await db.execute("UPDATE outbox SET sent = 1 WHERE message_id = ?", (message_id,))

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        """All of it or nothing. A connection of its own, since a connection has one transaction."""
        async with aiosqlite.connect(self._database) as db:
            yield db
            await db.commit()  # without it, closing rolls back
        self._written.set()

    # -- the relay --------------------------------------------------------------------------------

    async def _keep_relaying(self) -> None:
        async with aiosqlite.connect(self._database) as db:
            while True:
                with contextlib.suppress(*_BROKEN):
                    async with await aio_pika.connect(self._url) as connection:
                        channel = await connection.channel(on_return_raises=True)
                        exchange = await channel.get_exchange("orders", ensure=False)
                        while True:
                            await self._send_all(db, exchange)
                            await self._until_there_may_be_more()
                await asyncio.sleep(_PAUSE)

    async def _until_there_may_be_more(self) -> None:
        # Our own commands say so. Those of other processes do not: so it also looks now and then.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._written.wait(), _PAUSE)

    async def _send_all(self, db: aiosqlite.Connection, exchange: AbstractExchange) -> None:
        self._written.clear()  # before the look: what is written from here on wakes us again
        rows = await db.execute_fetchall(
            "SELECT id, message_id, order_id, type, data FROM outbox WHERE sent = 0 ORDER BY id"
        )
        held_up = set()
        for number, message_id, order_id, kind, data in rows:
            if order_id in held_up:
                continue
            message = aio_pika.Message(
                data.encode(),
                message_id=message_id,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            try:
                await exchange.publish(message, kind)  # returns when it is confirmed
            except DeliveryError:  # returned or refused
                held_up.add(order_id)
                continue
            await db.execute("UPDATE outbox SET sent = 1 WHERE id = ?", (number,))
            await db.commit()


async def _add(
    db: aiosqlite.Connection, order_id: str, kind: str, **data: object
) -> tuple[str, str]:
    """A message into the outbox. Its id is made here, once, and stays with it."""
    row = uuid.uuid4().hex, json.dumps({"order_id": order_id, **data})
    await db.execute(
        "INSERT INTO outbox (message_id, order_id, type, data) VALUES (?, ?, ?, ?)",
        (row[0], order_id, kind, row[1]),
    )
    return row
