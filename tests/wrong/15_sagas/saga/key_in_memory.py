"""A key is drawn when the step is reached, and is the same for all attempts, in this process. The
next process draws another one.

mistake: acts-before-it-writes
also: compensation-not-idempotent
fails: test_killed_anywhere_it_goes_forward, test_killed_anywhere_it_goes_back,
    test_killed_and_cancelled_nothing_is_left, test_two_coordinators_on_one_log,
    test_every_order_comes_to_an_end, test_it_ends_when_it_is_cancelled,
    test_a_coordinator_that_stood_still_does_no_harm, test_orders_do_not_wait_for_one_another
"""

import asyncio
import json
import uuid
from contextlib import AsyncExitStack

import aiosqlite

TABLES = """
CREATE TABLE IF NOT EXISTS o (id TEXT PRIMARY KEY, body TEXT, unwanted INT DEFAULT 0,
                              ended TEXT DEFAULT 'running');
CREATE TABLE IF NOT EXISTS begun (id TEXT, command TEXT, PRIMARY KEY (id, command));
"""


class TurnedBack(Exception):
    pass


def connect(database):
    return aiosqlite.connect(database, isolation_level=None)


async def place_order(database, order):
    async with connect(database) as db:
        await db.executescript(TABLES)
        await db.execute(
            "INSERT OR IGNORE INTO o (id, body) VALUES (?, ?)",
            (order["order_id"], json.dumps(order)),
        )


async def fetch(database, order_id, column):
    async with connect(database) as db:
        await db.executescript(TABLES)
        cursor = await db.execute(f"SELECT {column} FROM o WHERE id = ?", (order_id,))
        row = await cursor.fetchone()
    if row is None:
        raise LookupError(order_id)
    return row[0]


async def status(database, order_id):
    return await fetch(database, order_id, "ended")


async def cancel_order(database, order_id):
    async with connect(database) as db:
        await db.executescript(TABLES)
        await db.execute(
            "UPDATE o SET unwanted = 1 WHERE id = ?1 AND ended != 'delivered' AND"
            " NOT EXISTS (SELECT 1 FROM begun WHERE id = ?1 AND command = 'ShipOrder')",
            (order_id,),
        )
    return bool(await fetch(database, order_id, "unwanted")) or (
        await fetch(database, order_id, "ended") == "cancelled"
    )


class Saga:
    def __init__(self, db, call, order):
        self.db, self.call, self.order = db, call, order
        self.id = order["order_id"]

    async def ask(self, agent, command):
        key = uuid.uuid4().hex
        while True:
            try:
                answer = await self.call(agent, command, key, self.order)
                if answer != "Unavailable":
                    return answer
            except OSError:
                pass
            await asyncio.sleep(1.5)

    async def step(self, agent, command, done):
        await self.db.execute(
            "INSERT OR IGNORE INTO begun SELECT id, ? FROM o WHERE id = ? AND NOT unwanted",
            (command, self.id),
        )
        cursor = await self.db.execute(
            "SELECT 1 FROM begun WHERE id = ? AND command = ?", (self.id, command)
        )
        if await cursor.fetchone() is None or await self.ask(agent, command) != done:
            raise TurnedBack

    async def run(self):
        try:
            async with AsyncExitStack() as undo:
                try:
                    await self.step("inventory", "ReserveStock", "StockReserved")
                    undo.push_async_callback(self.ask, "inventory", "ReleaseStock")
                    await self.step("payment", "TakePayment", "PaymentTaken")
                    undo.push_async_callback(self.ask, "payment", "RefundPayment")
                    await self.step("shipping", "ShipOrder", "OrderShipped")
                    undo.pop_all()
                    await self.step("shipping", "ConfirmDelivery", "OrderDelivered")
                except asyncio.CancelledError:
                    undo.pop_all()  # a deploy is no reason to undo anything
                    raise
        except TurnedBack:
            end = "cancelled"
        else:
            end = "delivered"
        await self.db.execute("UPDATE o SET ended = ? WHERE id = ?", (end, self.id))


async def coordinate(database, call):
    async with connect(database) as db:
        await db.executescript(TABLES)
        running = {}
        try:
            while True:
                cursor = await db.execute("SELECT id, body FROM o WHERE ended = 'running'")
                for order_id, body in await cursor.fetchall():
                    if order_id not in running:
                        saga = Saga(db, call, json.loads(body))
                        running[order_id] = asyncio.create_task(saga.run())
                await asyncio.sleep(1)
        finally:
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)
