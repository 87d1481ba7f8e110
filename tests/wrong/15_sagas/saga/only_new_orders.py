"""Each coordinator takes up the orders that nobody has begun. Those that were under way when the
last one was killed have been begun.

mistake: forgets-running-sagas
fails: test_killed_anywhere_it_goes_forward, test_killed_anywhere_it_goes_back,
    test_killed_and_cancelled_nothing_is_left, test_two_coordinators_on_one_log,
    test_every_order_comes_to_an_end, test_it_ends_when_it_is_cancelled,
    test_a_coordinator_that_stood_still_does_no_harm, test_orders_do_not_wait_for_one_another
"""

import asyncio
import json

import aiosqlite

FORWARD = {
    "placed": ("reserving", None),
    "reserving": ("inventory", "ReserveStock", {"StockReserved": "reserved"}, "cancelled"),
    "reserved": ("paying", None),
    "paying": ("payment", "TakePayment", {"PaymentTaken": "paid"}, "releasing"),
    "paid": ("shipping", None),
    "shipping": ("shipping", "ShipOrder", {"OrderShipped": "confirming"}, "refunding"),
    "confirming": ("shipping", "ConfirmDelivery", {"OrderDelivered": "delivered"}, None),
    "refunding": ("payment", "RefundPayment", {"PaymentRefunded": "releasing"}, None),
    "releasing": ("inventory", "ReleaseStock", {"StockReleased": "cancelled"}, None),
}
# What becomes of a state when the customer cancels. In "reserving" and "paying" nobody knows yet
# whether there is something to undo: these go on, marked, until the answer is there.
BACK = {
    "placed": "cancelled",
    "reserved": "releasing",
    "paid": "refunding",
}
TABLE = (
    "CREATE TABLE IF NOT EXISTS saga (id TEXT PRIMARY KEY, body TEXT, state TEXT, unwanted INTEGER)"
)
ENDS = ("delivered", "cancelled")


async def connect(database):
    db = await aiosqlite.connect(database)
    await db.execute(TABLE)
    await db.commit()
    return db


async def place_order(database, order):
    db = await connect(database)
    try:
        await db.execute(
            "INSERT INTO saga VALUES (?, ?, 'placed', 0) ON CONFLICT DO NOTHING",
            (order["order_id"], json.dumps(order)),
        )
        await db.commit()
    finally:
        await db.close()


async def read(db, order_id):
    async with db.execute("SELECT state, unwanted FROM saga WHERE id = ?", (order_id,)) as cursor:
        row = await cursor.fetchone()
    if row is None:
        raise KeyError(order_id)
    return row


async def swap(db, order_id, before, after):
    """From one state to another, if it is still in the first one, and may move."""
    forward = after in ("reserving", "paying", "shipping")
    cursor = await db.execute(
        "UPDATE saga SET state = ? WHERE id = ? AND state = ?"
        + (" AND NOT unwanted" if forward else ""),
        (after, order_id, before),
    )
    await db.commit()
    return cursor.rowcount == 1


async def cancel_order(database, order_id):
    db = await connect(database)
    try:
        await db.execute(
            "UPDATE saga SET unwanted = 1 WHERE id = ? AND state NOT IN"
            " ('shipping', 'confirming', 'delivered')",
            (order_id,),
        )
        await db.commit()
        state, unwanted = await read(db, order_id)
        return bool(unwanted) or state == "cancelled"
    finally:
        await db.close()


async def status(database, order_id):
    db = await connect(database)
    try:
        state, _ = await read(db, order_id)
        return state if state in ENDS else "running"
    finally:
        await db.close()


async def ask(call, agent, command, order):
    while True:
        try:
            answer = await call(agent, command, command + ":" + order["order_id"], order)
        except (TimeoutError, ConnectionError):
            answer = "Unavailable"
        if answer != "Unavailable":
            return answer
        await asyncio.sleep(2)


async def drive(database, call, order):
    db = await connect(database)
    order_id = order["order_id"]
    try:
        while True:
            state, unwanted = await read(db, order_id)
            if state in ENDS:
                return
            if unwanted and state in BACK:
                await swap(db, order_id, state, BACK[state])
                continue
            if FORWARD[state][1] is None:
                await swap(db, order_id, state, FORWARD[state][0])
                continue
            agent, command, goes_to, otherwise = FORWARD[state]
            answer = await ask(call, agent, command, order)
            await swap(db, order_id, state, goes_to.get(answer, otherwise))
    finally:
        await db.close()


async def coordinate(database, call):
    db = await connect(database)
    tasks = {}
    try:
        while True:
            async with db.execute("SELECT body FROM saga WHERE state = 'placed'") as rows:
                orders = [json.loads(body) async for (body,) in rows]
            for order in orders:
                task = tasks.get(order["order_id"])
                if task is None or task.done():
                    tasks[order["order_id"]] = asyncio.create_task(drive(database, call, order))
            await asyncio.sleep(0.5)
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        await db.close()
