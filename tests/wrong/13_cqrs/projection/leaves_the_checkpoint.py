"""Swaps the rows, and leaves the checkpoint to the projector, whose it is.

What the projector had taken since the last read is in no row any more, and is taken for done.

mistake: checkpoint-apart
fails: test_readers_see_the_old_model_or_the_new,
    test_a_rebuild_that_stands_still_sets_nobody_back
"""

import asyncio
import json
import sqlite3
from dataclasses import dataclass

import aiosqlite


@dataclass(frozen=True)
class Event:
    position: int
    id: str
    type: str
    data: dict


TYPES = {
    "OrderPlaced": "placed",
    "StockReserved": "reserved",
    "PaymentTaken": "paid",
    "OrderShipped": "shipped",
    "OrderDelivered": "delivered",
    "OrderCancelled": "cancelled",
    "PaymentRefunded": None,
}
TABLES = """
CREATE TABLE orders (order_id TEXT PRIMARY KEY, customer TEXT NOT NULL, status TEXT NOT NULL);
CREATE TABLE customers (customer TEXT PRIMARY KEY, orders INTEGER NOT NULL, paid INTEGER NOT NULL);
CREATE TABLE checkpoint (position INTEGER NOT NULL);
INSERT INTO checkpoint VALUES (0);
"""
# Each statement looks by itself whether the event is still to come.
STEPS = (
    "INSERT INTO orders SELECT :order_id, :customer, 'placed' FROM checkpoint "
    "WHERE position < :at AND :type = 'OrderPlaced'",
    "INSERT INTO customers SELECT :customer, 1, 0 FROM checkpoint WHERE position < :at "
    "AND :type = 'OrderPlaced' ON CONFLICT DO UPDATE SET orders = orders + 1",
    "UPDATE orders SET status = :status WHERE order_id = :order_id AND :status IS NOT NULL "
    "AND (SELECT position FROM checkpoint) < :at",
    "UPDATE customers SET paid = paid + :amount WHERE :amount <> 0 AND customer = "
    "(SELECT customer FROM orders WHERE order_id = :order_id) "
    "AND (SELECT position FROM checkpoint) < :at",
    "UPDATE checkpoint SET position = :at WHERE position < :at",
)


def values(event):
    data = json.loads(json.dumps(dict(event.data)))
    amount = {"PaymentTaken": 1, "PaymentRefunded": -1}.get(event.type, 0)
    return {
        "at": event.position,
        "type": event.type,
        "status": TYPES.get(event.type),
        "order_id": data.get("order_id"),
        "customer": data.get("customer"),
        "amount": amount * data.get("amount", 0) if amount else 0,
    }


async def write(db, events):
    async with asyncio.timeout(None):
        try:
            for event in events:
                for step in STEPS:
                    await db.execute(step, values(event))
            await db.commit()
        finally:
            await db.rollback()


async def position_in(db):
    [(position,)] = await db.execute_fetchall("SELECT max(position) FROM checkpoint")
    return position


async def project(log, database, *, batch=100):
    queue = asyncio.Queue(maxsize=2)

    async def reader(after):
        while True:
            events = await log.read(after, batch)
            if events:
                after = events[-1].position
                await queue.put(events)
            else:
                await log.wait(after)

    async with aiosqlite.connect(database) as db, asyncio.TaskGroup() as group:
        group.create_task(reader(await position_in(db)))
        while True:
            await write(db, await queue.get())


async def rebuild(log, database, *, batch=100):
    async with aiosqlite.connect(":memory:") as new, aiosqlite.connect(database) as live:
        await new.executescript(TABLES)
        while True:
            at = await position_in(new)
            if events := await log.read(at, batch):
                await write(new, events)
                continue
            rows = {
                table: await new.execute_fetchall(f"SELECT * FROM {table}")
                for table in ("orders", "customers")
            }
            try:
                await live.execute("BEGIN EXCLUSIVE")
                if at is not None:
                    for table, content in rows.items():
                        await live.execute(f"DELETE FROM {table}")
                        for row in content:
                            marks = ", ".join("?" * len(row))
                            await live.execute(f"INSERT INTO {table} VALUES ({marks})", tuple(row))
                    await live.execute("UPDATE checkpoint SET position = max(position, ?)", (at,))
                    await live.commit()
                    return
            finally:
                await live.rollback()


assert sqlite3.sqlite_version_info >= (3, 24)
