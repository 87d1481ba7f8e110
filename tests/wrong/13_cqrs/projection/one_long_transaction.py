"""Makes the model again in one transaction: readers see nothing of it until the COMMIT.

True, and nobody writes until then either.

mistake: global-lock
fails: test_a_rebuild_locks_nobody_out, test_readers_see_the_old_model_or_the_new
"""

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
            await self.carry_out(event)

    async def carry_out(self, event):
        if event.position <= await self.position():
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
        await db.execute("CREATE TABLE IF NOT EXISTS had (id TEXT PRIMARY KEY)")
        live = Tables(db)
        async with live.transaction():
            reached = await live.position()
            for table in ("orders", "customers", "had"):
                await db.execute(f"DELETE FROM {table}")
            await db.execute("UPDATE checkpoint SET position = 0")
            while (at := await live.position()) < reached or await log.read(at, 1):
                for event in await log.read(at, batch):
                    await live.carry_out(event)
