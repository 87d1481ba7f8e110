"""Remembers the ids of events, takes one event at a time, and copies the new model over."""

import dataclasses
from contextlib import asynccontextmanager

import aiosqlite


@dataclasses.dataclass(frozen=True)
class Event:
    position: int
    id: str
    type: str
    data: dict


TABLES = """
CREATE TABLE IF NOT EXISTS had (id TEXT PRIMARY KEY);
DROP TABLE IF EXISTS fresh_orders; DROP TABLE IF EXISTS fresh_customers;
DROP TABLE IF EXISTS fresh_had; DROP TABLE IF EXISTS fresh_checkpoint;
CREATE TABLE fresh_orders AS SELECT * FROM orders WHERE 0;
CREATE UNIQUE INDEX fresh_order ON fresh_orders (order_id);
CREATE TABLE fresh_customers AS SELECT * FROM customers WHERE 0;
CREATE UNIQUE INDEX fresh_customer ON fresh_customers (customer);
CREATE TABLE fresh_had (id TEXT PRIMARY KEY);
CREATE TABLE fresh_checkpoint AS SELECT 0 AS position;
"""


class Tables:
    def __init__(self, db, prefix=""):
        self.db = db
        self.prefix = prefix

    async def run(self, sql, **values):
        return await self.db.execute(sql.replace("$", self.prefix), values)

    async def position(self):
        cursor = await self.run("SELECT position FROM $checkpoint")
        return (await cursor.fetchone())[0]

    @asynccontextmanager
    async def transaction(self):
        await self.run("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            await self.db.rollback()
            raise
        else:
            await self.db.commit()

    async def take(self, event):
        async with self.transaction():
            if event.position <= await self.position():
                # (Had by somebody who keeps no ids.)
                return
            new = await self.run("INSERT OR IGNORE INTO $had VALUES (:id)", id=event.id)
            if not new.rowcount:
                return
            handler = getattr(self, f"on_{event.type}", None)
            if handler is not None:
                await handler(**event.data)
            await self.run("UPDATE $checkpoint SET position = :at", at=event.position)

    async def on_OrderPlaced(self, order_id, customer, **_):
        await self.run(
            "INSERT INTO $orders VALUES (:order_id, :customer, 'placed')",
            order_id=order_id,
            customer=customer,
        )
        await self.run(
            "INSERT INTO $customers VALUES (:customer, 1, 0) "
            "ON CONFLICT (customer) DO UPDATE SET orders = orders + 1",
            customer=customer,
        )

    async def status(self, order_id, status):
        await self.run(
            "UPDATE $orders SET status = :status WHERE order_id = :order_id",
            order_id=order_id,
            status=status,
        )

    async def pay(self, order_id, amount):
        await self.run(
            "UPDATE $customers SET paid = paid + :amount WHERE customer IN "
            "(SELECT customer FROM $orders WHERE order_id = :order_id)",
            order_id=order_id,
            amount=amount,
        )

    async def on_StockReserved(self, order_id, **_):
        await self.status(order_id, "reserved")

    async def on_PaymentTaken(self, order_id, amount, **_):
        await self.status(order_id, "paid")
        await self.pay(order_id, amount)

    async def on_PaymentRefunded(self, order_id, amount, **_):
        await self.pay(order_id, -amount)

    async def on_OrderShipped(self, order_id, **_):
        await self.status(order_id, "shipped")

    async def on_OrderDelivered(self, order_id, **_):
        await self.status(order_id, "delivered")

    async def on_OrderCancelled(self, order_id, **_):
        await self.status(order_id, "cancelled")


async def project(log, database, *, batch=100):
    async with aiosqlite.connect(database, isolation_level=None) as db:
        await db.execute("CREATE TABLE IF NOT EXISTS had (id TEXT PRIMARY KEY)")
        tables = Tables(db)
        while True:
            after = await tables.position()
            events = await log.read(after, batch)
            for event in events:
                await tables.take(event)
            if not events:
                await log.wait(after)


async def rebuild(log, database, *, batch=100):
    async with aiosqlite.connect(database, isolation_level=None) as db:
        await db.executescript(TABLES)
        live, fresh = Tables(db), Tables(db, "fresh_")
        while True:
            events = await log.read(await fresh.position(), batch)
            for event in events:
                await fresh.take(event)
            if events:
                continue
            async with live.transaction():
                if await live.position() > await fresh.position():
                    continue
                for table in ("orders", "customers", "had", "checkpoint"):
                    await db.execute(f"DELETE FROM {table}")
                    await db.execute(f"INSERT INTO {table} SELECT * FROM fresh_{table}")
                    await db.execute(f"DROP TABLE fresh_{table}")
            return
