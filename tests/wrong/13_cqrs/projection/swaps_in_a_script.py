"""Begins a transaction, looks at the checkpoint, and gives the swap to executescript.

Which commits first: the script runs after the transaction, one statement at a time.

mistake: half-built-model
fails: test_a_rebuild_mends_the_rows
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiosqlite

STATUS = {
    "OrderPlaced": "placed",
    "StockReserved": "reserved",
    "PaymentTaken": "paid",
    "OrderShipped": "shipped",
    "OrderDelivered": "delivered",
    "OrderCancelled": "cancelled",
}
SIGN = {"PaymentTaken": 1, "PaymentRefunded": -1}


@dataclass(frozen=True)
class Event:
    """Something that happened, as the log has it."""

    position: int
    id: str
    type: str
    data: Mapping[str, Any]


class Log(Protocol):
    """Events in order. Positions begin at 1 and rise; some numbers are missing for good."""

    async def read(self, after: int, limit: int) -> Sequence[Event]:
        """The next events behind `after`, `limit` of them at most; none if there are none yet."""
        ...

    async def wait(self, after: int) -> None:
        """Returns as soon as there is an event behind `after`."""
        ...


async def project(log: Log, database: str | Path, *, batch: int = 100) -> None:
    """Keep the read model up to date, reading `batch` events at a time, until cancelled."""
    async with _connection(database) as db:
        while True:
            # Asked anew each time: another projector or a rebuild may have moved it.
            position = await _position(db, "checkpoint")
            events = await log.read(position, batch)
            if not events:
                await log.wait(position)
            await _apply_all(db, events)


async def rebuild(log: Log, database: str | Path, *, batch: int = 100) -> None:
    """Make the read model again from the first event, beside the live one, and swap it in."""
    async with _connection(database) as db:
        await _empty_tables(db)
        while True:
            await _catch_up(log, db, batch)
            await db.execute("BEGIN IMMEDIATE")  # from here on the projector cannot move
            if await _position(db, "checkpoint") <= await _position(db, "new_checkpoint"):
                break
            await db.execute("ROLLBACK")  # it is ahead of us: nobody shall be set back
        await db.executescript(
            "DROP TABLE orders; ALTER TABLE new_orders RENAME TO orders;"
            "DROP TABLE customers; ALTER TABLE new_customers RENAME TO customers;"
            "DROP TABLE checkpoint; ALTER TABLE new_checkpoint RENAME TO checkpoint;"
        )
        await db.commit()


def _connection(database: str | Path) -> aiosqlite.Connection:
    # No transactions but those that we begin: BEGIN IMMEDIATE takes the lock for writing at once,
    # and waits for it. One that begins with a SELECT and writes later cannot wait, it fails.
    return aiosqlite.connect(database, isolation_level=None)


async def _position(db: aiosqlite.Connection, table: str) -> int:
    async with db.execute(f"SELECT position FROM {table}") as cursor:
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def _apply_all(db: aiosqlite.Connection, events: Sequence[Event], prefix: str = "") -> None:
    """Rows and checkpoint in one transaction, and in it the question what is new."""
    if not events:
        return
    await db.execute("BEGIN IMMEDIATE")
    try:
        position = await _position(db, f"{prefix}checkpoint")
        for event in events:
            if event.position > position:  # else: had before, by us or by somebody else
                await _apply(db, event, prefix)
                position = event.position
        await db.execute(f"UPDATE {prefix}checkpoint SET position = ?", (position,))
        await db.execute("COMMIT")
    except BaseException:
        await db.rollback()  # nothing, if the COMMIT was carried out all the same
        raise


async def _apply(db: aiosqlite.Connection, event: Event, prefix: str) -> None:
    """The rows of one event. Of a type that nobody knows there are none."""
    order, data = event.data.get("order_id"), event.data
    if event.type == "OrderPlaced":
        await db.execute(
            f"INSERT INTO {prefix}orders VALUES (?, ?, 'placed')", (order, data["customer"])
        )
        await db.execute(
            f"INSERT INTO {prefix}customers VALUES (?, 1, 0) "
            "ON CONFLICT (customer) DO UPDATE SET orders = orders + 1",
            (data["customer"],),
        )
    elif event.type in STATUS:
        await db.execute(
            f"UPDATE {prefix}orders SET status = ? WHERE order_id = ?", (STATUS[event.type], order)
        )
    if event.type in SIGN:
        await db.execute(
            f"UPDATE {prefix}customers SET paid = paid + ? WHERE customer = "
            f"(SELECT customer FROM {prefix}orders WHERE order_id = ?)",
            (SIGN[event.type] * data["amount"], order),
        )


async def _empty_tables(db: aiosqlite.Connection) -> None:
    """Tables for the new model. A rebuild that was killed may have left some."""
    for table, columns in (
        ("orders", "order_id TEXT PRIMARY KEY, customer TEXT NOT NULL, status TEXT NOT NULL"),
        ("customers", "customer TEXT PRIMARY KEY, orders INTEGER NOT NULL, paid INTEGER NOT NULL"),
        ("checkpoint", "position INTEGER NOT NULL"),
    ):
        await db.execute(f"DROP TABLE IF EXISTS new_{table}")
        await db.execute(f"CREATE TABLE new_{table} ({columns})")
    await db.execute("INSERT INTO new_checkpoint VALUES (0)")


async def _catch_up(log: Log, db: aiosqlite.Connection, batch: int) -> None:
    while events := await log.read(await _position(db, "new_checkpoint"), batch):
        await _apply_all(db, events, "new_")
