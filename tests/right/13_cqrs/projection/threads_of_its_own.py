"""sqlite3 in threads, without aiosqlite; who is cancelled waits for the job that is under way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol


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
        """The next events behind `after`, `limit` of them at most; none if there are none yet.

        At least once: it may repeat events. Those it gives may begin with some that are not behind
        `after`, and may hold one several times in a row. Positions never go down in them.
        """
        ...

    async def wait(self, after: int) -> None:
        """Returns as soon as there is an event behind `after`."""
        ...


STATUS = {
    "StockReserved": "reserved",
    "PaymentTaken": "paid",
    "OrderShipped": "shipped",
    "OrderDelivered": "delivered",
    "OrderCancelled": "cancelled",
}


def _open(database):
    return sqlite3.connect(database, isolation_level=None, timeout=60, check_same_thread=False)


def _apply(db, event, p=""):
    data = event.data
    if event.type == "OrderPlaced":
        db.execute(
            f"INSERT INTO {p}orders VALUES (?, ?, 'placed')", (data["order_id"], data["customer"])
        )
        db.execute(f"INSERT OR IGNORE INTO {p}customers VALUES (?, 0, 0)", (data["customer"],))
        db.execute(
            f"UPDATE {p}customers SET orders = orders + 1 WHERE customer = ?", (data["customer"],)
        )
    elif event.type in STATUS:
        db.execute(
            f"UPDATE {p}orders SET status = ? WHERE order_id = ?",
            (STATUS[event.type], data["order_id"]),
        )
    sign = {"PaymentTaken": 1, "PaymentRefunded": -1}.get(event.type)
    if sign:
        [(customer,)] = db.execute(
            f"SELECT customer FROM {p}orders WHERE order_id = ?", (data["order_id"],)
        )
        db.execute(
            f"UPDATE {p}customers SET paid = paid + ? WHERE customer = ?",
            (sign * data["amount"], customer),
        )


def _batch(db, events, p=""):
    db.execute("BEGIN IMMEDIATE")
    try:
        [(position,)] = db.execute(f"SELECT position FROM {p}checkpoint").fetchall()
        for event in events:
            if event.position > position:
                _apply(db, event, p)
                position = event.position
        db.execute(f"UPDATE {p}checkpoint SET position = ?", (position,))
        db.execute("COMMIT")
    finally:
        db.rollback()
    return position


async def _run(function, *args):
    task = asyncio.ensure_future(asyncio.to_thread(function, *args))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def project(log, database, *, batch=100):
    with closing(_open(database)) as db:
        while True:
            [(position,)] = db.execute("SELECT position FROM checkpoint").fetchall()
            events = await log.read(position, batch)
            if events:
                await _run(_batch, db, events)
            else:
                await log.wait(position)


def _new(db):
    db.executescript("""
        DROP TABLE IF EXISTS new_orders;
        DROP TABLE IF EXISTS new_customers;
        DROP TABLE IF EXISTS new_checkpoint;
        CREATE TABLE new_orders
            (order_id TEXT PRIMARY KEY, customer TEXT NOT NULL, status TEXT NOT NULL);
        CREATE TABLE new_customers
            (customer TEXT PRIMARY KEY, orders INTEGER NOT NULL, paid INTEGER NOT NULL);
        CREATE TABLE new_checkpoint (position INTEGER NOT NULL);
        INSERT INTO new_checkpoint VALUES (0);
    """)


def _swap(db, position):
    db.execute("BEGIN IMMEDIATE")
    try:
        [(live,)] = db.execute("SELECT position FROM checkpoint").fetchall()
        if live > position:
            return False
        for table in ("orders", "customers", "checkpoint"):
            db.execute(f"DROP TABLE {table}")
            db.execute(f"ALTER TABLE new_{table} RENAME TO {table}")
        db.execute("COMMIT")
        return True
    finally:
        db.rollback()


async def rebuild(log, database, *, batch=100):
    with closing(_open(database)) as db:
        await _run(_new, db)
        position = 0
        while True:
            events = await log.read(position, batch)
            if events:
                position = await _run(_batch, db, events, "new_")
            elif await _run(_swap, db, position):
                return
