"""Keeps its own checkpoint in a file beside the database, and copies it into the table.

A file is easy to look at, and to edit when something went wrong.

mistake: checkpoint-apart
also: double-count
fails: test_killed_anywhere_rows_and_checkpoint_agree, test_two_at_once_count_once,
    test_readers_see_the_old_model_or_the_new, test_a_rebuild_mends_the_rows,
    test_cancelled_anywhere_it_leaves_no_transaction,
    test_a_rebuild_that_stands_still_sets_nobody_back
"""

import asyncio
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosqlite


@dataclass(frozen=True)
class Event:
    position: int
    id: str
    type: str
    data: Any


STATUS = {"StockReserved": "reserved", "PaymentTaken": "paid", "OrderShipped": "shipped",
          "OrderDelivered": "delivered", "OrderCancelled": "cancelled"}  # fmt: skip


async def apply(db, orders, customers, event):
    order = event.data.get("order_id")
    if event.type == "OrderPlaced":
        who = event.data["customer"]
        await db.execute(f"INSERT INTO {orders} VALUES (?, ?, ?)", [order, who, "placed"])
        known = await db.execute(
            f"UPDATE {customers} SET orders = orders + 1 WHERE customer = ?", [who]
        )
        if known.rowcount == 0:
            await db.execute(f"INSERT INTO {customers} VALUES (?, 1, 0)", [who])
        return
    if event.type in STATUS:
        await db.execute(
            f"UPDATE {orders} SET status = ? WHERE order_id = ?", [STATUS[event.type], order]
        )
    if event.type in ("PaymentTaken", "PaymentRefunded"):
        amount = event.data["amount"] * (-1 if event.type == "PaymentRefunded" else 1)
        cursor = await db.execute(f"SELECT customer FROM {orders} WHERE order_id = ?", [order])
        (who,) = await cursor.fetchone()
        await cursor.close()
        await db.execute(
            f"UPDATE {customers} SET paid = paid + ? WHERE customer = ?", [amount, who]
        )


async def checkpoint(db):
    return (await (await db.execute("SELECT position FROM checkpoint")).fetchone())[0]


def remembered(file):
    return int(file.read_text()) if file.exists() else 0


def remember(file, position):
    file.write_text(str(position))


async def project(log, database, *, batch=100):
    file = Path(f"{database}.checkpoint")
    while True:
        position = remembered(file)
        events = await log.read(position, batch)
        if not events:
            await log.wait(position)
            continue
        try:
            position = await project_some(database, position, events)
            remember(file, position)
            await note(database, position)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            await asyncio.sleep(0.02)


async def note(database, position):
    async with aiosqlite.connect(database, isolation_level=None) as db:
        await db.execute("UPDATE checkpoint SET position = ?", [position])


async def project_some(database, position, events):
    async with aiosqlite.connect(database, isolation_level=None) as db:
        await db.execute("BEGIN IMMEDIATE")
        for event in events:
            if event.position > position:
                await apply(db, "orders", "customers", event)
                position = event.position
        await db.execute("COMMIT")
        return position


async def rebuild(log, database, *, batch=100):
    async with aiosqlite.connect(database, isolation_level=None) as db:
        await db.execute("PRAGMA busy_timeout = 20000")
        await db.execute("CREATE TEMP TABLE o (order_id PRIMARY KEY, customer, status)")
        await db.execute("CREATE TEMP TABLE c (customer PRIMARY KEY, orders, paid)")
        position = 0
        while True:
            for event in (events := await log.read(position, batch)):
                if event.position > position:
                    await apply(db, "o", "c", event)
                    position = event.position
            if events:
                continue
            await db.execute("BEGIN IMMEDIATE")
            if await checkpoint(db) > position:
                await db.execute("COMMIT")
                continue
            await db.execute("DELETE FROM orders")
            await db.execute("DELETE FROM customers")
            await db.execute("INSERT INTO orders SELECT * FROM o")
            await db.execute("INSERT INTO customers SELECT * FROM c")
            await db.execute("UPDATE checkpoint SET position = ?", [position])
            await db.execute("COMMIT")
            return
