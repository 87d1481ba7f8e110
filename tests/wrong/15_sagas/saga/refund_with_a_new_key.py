"""Steps have a key in the log. Compensations seemed not to need one: a refund is a refund. One
whose answer got lost was paid out twice.

mistake: compensation-not-idempotent
fails: test_a_failed_compensation_is_tried_again, test_killed_anywhere_it_goes_back,
    test_killed_and_cancelled_nothing_is_left, test_two_coordinators_on_one_log,
    test_every_order_comes_to_an_end, test_a_promise_to_cancel_is_kept
"""

import asyncio
import contextlib
import json
import time
import uuid
from contextlib import asynccontextmanager

import aiosqlite

ROW = ("ReserveStock", "TakePayment", "ShipOrder", "ConfirmDelivery")
UNDO = {"ReserveStock": "ReleaseStock", "TakePayment": "RefundPayment"}
AGENTS = {
    "ReserveStock": "inventory", "ReleaseStock": "inventory", "TakePayment": "payment",
    "RefundPayment": "payment", "ShipOrder": "shipping", "ConfirmDelivery": "shipping",
}  # fmt: skip
REFUSALS = {"StockRefused", "PaymentDeclined", "ShipmentRefused"}
LEASE = 60


@asynccontextmanager
async def transaction(database):
    async with aiosqlite.connect(database, timeout=30, isolation_level=None) as db:
        await db.executescript(
            """
            CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, body TEXT, cancelled INTEGER
                DEFAULT 0, refused INTEGER DEFAULT 0, ended TEXT, owner TEXT, until REAL DEFAULT 0);
            CREATE TABLE IF NOT EXISTS steps (id TEXT, command TEXT, key TEXT, answer TEXT,
                PRIMARY KEY (id, command));
            """
        )
        await db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            await db.rollback()
            raise
        await db.commit()


async def one(db, sql, *values):
    async with db.execute(sql, values) as cursor:
        return await cursor.fetchone()


async def place_order(database, order):
    async with transaction(database) as db:
        if await one(db, "SELECT 1 FROM orders WHERE id = ?", order["order_id"]) is None:
            await db.execute(
                "INSERT INTO orders (id, body) VALUES (?, ?)",
                (order["order_id"], json.dumps(order)),
            )


async def cancel_order(database, order_id):
    async with transaction(database) as db:
        row = await one(db, "SELECT ended, cancelled, refused FROM orders WHERE id = ?", order_id)
        if row is None:
            raise LookupError(order_id)
        if row[0]:
            return row[0] == "cancelled"
        if row[1] or row[2]:
            return True
        if await one(db, "SELECT 1 FROM steps WHERE id = ? AND command = 'ShipOrder'", order_id):
            return False
        await db.execute("UPDATE orders SET cancelled = 1 WHERE id = ?", (order_id,))
        return True


async def status(database, order_id):
    async with transaction(database) as db:
        row = await one(db, "SELECT ended FROM orders WHERE id = ?", order_id)
    if row is None:
        raise LookupError(order_id)
    return row[0] or "running"


async def claim(database, me):
    """Orders that nobody has claimed, or whose owner has not been heard of for a minute."""
    now = time.time()
    async with transaction(database) as db:
        rows = list(
            await db.execute_fetchall(
                "SELECT id, body FROM orders WHERE ended IS NULL AND until < ?", (now,)
            )
        )
        for order_id, _ in rows:
            await db.execute(
                "UPDATE orders SET owner = ?, until = ? WHERE id = ?", (me, now + LEASE, order_id)
            )
    return [json.loads(body) for _, body in rows]


async def renew(database, me):
    async with transaction(database) as db:
        await db.execute(
            "UPDATE orders SET until = ? WHERE owner = ? AND ended IS NULL",
            (time.time() + LEASE, me),
        )


async def begin(database, order_id, command):
    """The key and the answer, if there is one; None if the order is on its way back."""
    async with transaction(database) as db:
        if command in ROW:
            back = await one(db, "SELECT cancelled OR refused FROM orders WHERE id = ?", order_id)
            if back[0]:
                return None
        await db.execute(
            "INSERT OR IGNORE INTO steps VALUES (?, ?, ?, NULL)",
            (order_id, command, uuid.uuid4().hex),
        )
        return await begun(db, order_id, command)


async def begun(db, order_id, command):
    return await one(
        db, "SELECT key, answer FROM steps WHERE id = ? AND command = ?", order_id, command
    )


async def find_out(database, call, order, command, key):
    while True:
        answer = None
        with contextlib.suppress(TimeoutError, ConnectionError):
            fresh = key if command in ROW else uuid.uuid4().hex
            answer = await call(AGENTS[command], command, fresh, order)
        if answer not in (None, "Unavailable"):
            break
        await asyncio.sleep(3)
    async with transaction(database) as db:
        await db.execute(
            "UPDATE steps SET answer = ? WHERE id = ? AND command = ?",
            (answer, order["order_id"], command),
        )
        if answer in REFUSALS:
            await db.execute("UPDATE orders SET refused = 1 WHERE id = ?", (order["order_id"],))
    return answer


async def drive(database, call, order):
    order_id = order["order_id"]
    end = "delivered"
    for command in ROW:
        row = await begin(database, order_id, command)
        if row is None:
            end = "cancelled"
            break
        answer = row[1] or await find_out(database, call, order, command, row[0])
        if answer in REFUSALS:
            end = "cancelled"
            break
    if end == "cancelled":
        for command in reversed(ROW):
            async with transaction(database) as db:
                row = await begun(db, order_id, command)
            if row is None:
                continue
            answer = row[1] or await find_out(database, call, order, command, row[0])
            if answer not in REFUSALS and command in UNDO:
                key, answer = await begin(database, order_id, UNDO[command])
                if not answer:
                    await find_out(database, call, order, UNDO[command], key)
    async with transaction(database) as db:
        await db.execute("UPDATE orders SET ended = ? WHERE id = ?", (end, order_id))


async def coordinate(database, call):
    me = uuid.uuid4().hex
    async with asyncio.TaskGroup() as tasks:
        while True:
            for order in await claim(database, me):
                tasks.create_task(drive(database, call, order))
            await asyncio.sleep(5)
            await renew(database, me)
