"""A rebuild works it all out in dicts, and writes the rows in one transaction at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiosqlite


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


def _connect(database):
    return aiosqlite.connect(database, isolation_level=None, timeout=60)


async def _position(db) -> int:
    [(position,)] = await db.execute_fetchall("SELECT position FROM checkpoint")
    return position


@asynccontextmanager
async def _transaction(db):
    try:
        await db.execute("BEGIN IMMEDIATE")
        yield
        await db.execute("COMMIT")
    finally:
        await db.rollback()


async def _apply(db, event: Event, prefix: str = "") -> None:
    orders, customers = f"{prefix}orders", f"{prefix}customers"
    data = event.data
    if event.type == "OrderPlaced":
        await db.execute(
            f"INSERT INTO {orders} VALUES (?, ?, 'placed')", (data["order_id"], data["customer"])
        )
        await db.execute(
            f"INSERT INTO {customers} VALUES (?, 1, 0) "
            "ON CONFLICT (customer) DO UPDATE SET orders = orders + 1",
            (data["customer"],),
        )
    if event.type in STATUS:
        await db.execute(
            f"UPDATE {orders} SET status = ? WHERE order_id = ?",
            (STATUS[event.type], data["order_id"]),
        )
    if event.type in ("PaymentTaken", "PaymentRefunded"):
        sign = 1 if event.type == "PaymentTaken" else -1
        await db.execute(
            f"UPDATE {customers} SET paid = paid + ? "
            f"WHERE customer = (SELECT customer FROM {orders} WHERE order_id = ?)",
            (sign * data["amount"], data["order_id"]),
        )


async def project(log: Log, database: str | Path, *, batch: int = 100) -> None:
    """Keep the read model up to date, reading `batch` events at a time, until cancelled."""
    async with _connect(database) as db:
        while True:
            after = await _position(db)
            events = await log.read(after, batch)
            if not events:
                await log.wait(after)
                continue
            async with _transaction(db):
                position = await _position(db)
                for event in events:
                    if event.position > position:
                        await _apply(db, event)
                        position = event.position
                await db.execute("UPDATE checkpoint SET position = ?", (position,))


async def rebuild(log, database, *, batch=100):
    """In dicts, and then all rows in one transaction."""
    orders, customers, position = {}, {}, 0
    async with _connect(database) as db:
        while True:
            while events := await log.read(position, batch):
                for event in events:
                    if event.position <= position:
                        continue
                    position = event.position
                    data = event.data
                    if event.type == "OrderPlaced":
                        orders[data["order_id"]] = [data["customer"], "placed"]
                        customers.setdefault(data["customer"], [0, 0])[0] += 1
                    elif event.type in STATUS:
                        orders[data["order_id"]][1] = STATUS[event.type]
                    if event.type == "PaymentTaken":
                        customers[orders[data["order_id"]][0]][1] += data["amount"]
                    if event.type == "PaymentRefunded":
                        customers[orders[data["order_id"]][0]][1] -= data["amount"]
            async with _transaction(db):
                if await _position(db) > position:
                    continue
                await db.execute("DELETE FROM orders")
                await db.execute("DELETE FROM customers")
                await db.executemany(
                    "INSERT INTO orders VALUES (?, ?, ?)", [(k, *v) for k, v in orders.items()]
                )
                await db.executemany(
                    "INSERT INTO customers VALUES (?, ?, ?)",
                    [(k, *v) for k, v in customers.items()],
                )
                await db.execute("UPDATE checkpoint SET position = ?", (position,))
                return
