"""Python begins transactions, IMMEDIATE ones; the new model grows in temporary tables."""

import asyncio
import contextlib
import dataclasses
import logging
from typing import Any

import aiosqlite

log = logging.getLogger("projection")


@dataclasses.dataclass(frozen=True)
class Event:
    position: int
    id: str
    type: str
    data: Any


TABLES = """
CREATE TEMP TABLE IF NOT EXISTS n_orders (order_id TEXT PRIMARY KEY, customer TEXT, status TEXT);
CREATE TEMP TABLE IF NOT EXISTS n_customers (customer TEXT PRIMARY KEY, orders INT, paid INT);
CREATE TEMP TABLE IF NOT EXISTS n_checkpoint (position INTEGER);
INSERT INTO n_checkpoint VALUES (0);
"""


class Tables:
    def __init__(self, db, prefix=""):
        self.db, self.p = db, prefix

    async def position(self):
        sql = f"SELECT max(position) FROM {self.p}checkpoint"
        async with self.db.execute(sql) as rows:
            [(position,)] = await rows.fetchall()
        return position

    async def take(self, events):
        # It takes the lock, and changes nothing.
        await self.db.execute(f"UPDATE {self.p}checkpoint SET position = position")
        try:
            position = await self.position()
            for event in sorted(events, key=lambda event: event.position):
                if event.position <= position:
                    log.debug("had %s before", event.position)
                    continue
                handler = getattr(self, "on_" + event.type, None)
                if handler is not None:
                    await handler(**event.data)
                position = event.position
            await self.db.execute(f"UPDATE {self.p}checkpoint SET position = {position:d}")
            await self.db.commit()
        finally:
            await self.db.rollback()

    async def on_OrderPlaced(self, order_id, customer, **_):
        run = self.db.execute
        await run(f"INSERT INTO {self.p}orders VALUES (?, ?, 'placed')", (order_id, customer))
        await run(f"INSERT OR IGNORE INTO {self.p}customers VALUES (?, 0, 0)", (customer,))
        await run(
            f"UPDATE {self.p}customers SET orders = orders + 1 WHERE customer = ?", (customer,)
        )

    async def _status(self, order_id, status):
        sql = f"UPDATE {self.p}orders SET status = ? WHERE order_id = ?"
        await self.db.execute(sql, (status, order_id))

    async def _pay(self, order_id, amount):
        sql = f"SELECT customer FROM {self.p}orders WHERE order_id = ?"
        [(customer,)] = await self.db.execute_fetchall(sql, (order_id,))
        sql = f"UPDATE {self.p}customers SET paid = paid + ? WHERE customer = ?"
        await self.db.execute(sql, (amount, customer))

    async def on_StockReserved(self, order_id, **_):
        await self._status(order_id, "reserved")

    async def on_PaymentTaken(self, order_id, amount, **_):
        await self._status(order_id, "paid")
        await self._pay(order_id, amount)

    async def on_PaymentRefunded(self, order_id, amount, **_):
        await self._pay(order_id, -amount)

    async def on_OrderShipped(self, order_id, **_):
        await self._status(order_id, "shipped")

    async def on_OrderDelivered(self, order_id, **_):
        await self._status(order_id, "delivered")

    async def on_OrderCancelled(self, order_id, **_):
        await self._status(order_id, "cancelled")


@contextlib.asynccontextmanager
async def opened(database):
    db = await aiosqlite.connect(database, isolation_level="IMMEDIATE", timeout=60)
    try:
        yield db
    finally:
        await db.close()


async def project(log, database, *, batch=100):
    async with opened(database) as db:
        tables = Tables(db)
        while True:
            here = await tables.position()
            if not (events := await log.read(here, batch)):
                await log.wait(here)
            else:
                await tables.take(events)


async def rebuild(log, database, *, batch=100):
    async with opened(database) as db:
        for statement in TABLES.split(";"):
            await db.execute(statement)
        await db.commit()
        new, old = Tables(db, "n_"), Tables(db)
        while True:
            while events := await log.read(await new.position(), batch):
                await new.take(events)
            await db.execute("UPDATE checkpoint SET position = position")
            if await old.position() <= await new.position():
                break
            await db.rollback()
            await asyncio.sleep(0)
        for table in ("orders", "customers", "checkpoint"):
            await db.execute(f"DELETE FROM main.{table}")
            await db.execute(f"INSERT INTO main.{table} SELECT * FROM n_{table}")
        await db.commit()
