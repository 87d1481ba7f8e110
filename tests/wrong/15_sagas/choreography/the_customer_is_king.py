"""Who cancels is cancelled, also when the parcel has gone.

mistake: undoes-past-the-pivot
fails: test_the_customer_cancels_at_any_time, test_anything_at_any_time
"""

import json
from collections import namedtuple
from contextlib import asynccontextmanager

Event = namedtuple("Event", "id type order_id data")

TABLES = {
    "inventory": "CREATE TABLE reservations (order_id PRIMARY KEY, items TEXT, open INTEGER);"
    "CREATE TABLE called_off (order_id PRIMARY KEY);",
    "payment": "CREATE TABLE bills (order_id PRIMARY KEY, customer, total INTEGER);"
    "CREATE TABLE payments (order_id PRIMARY KEY, state);",
    "shipping": "CREATE TABLE customers (order_id PRIMARY KEY, customer);"
    "CREATE TABLE decided (order_id PRIMARY KEY);",
    "orders": "CREATE TABLE undone (order_id, part, PRIMARY KEY (order_id, part));",
}
HANDLERS = {}


class NotYet(Exception):
    """Something that caused this event has not arrived."""


def on(agent, *types):
    def remember(function):
        for type_ in types:
            HANDLERS[agent, type_] = function
        return function

    return remember


def agent(name):
    async def handle(db, event):
        async with transaction(db):
            new = await db.execute("INSERT OR IGNORE INTO handled VALUES (?)", (event.id,))
            if new.rowcount:
                await HANDLERS[name, event.type](db, event)

    return handle


inventory, payment, shipping, orders = map(agent, ("inventory", "payment", "shipping", "orders"))


@asynccontextmanager
async def transaction(db):
    try:
        yield
        await db.commit()
    finally:
        await db.rollback()


async def publish(db, event, type_, data):
    await db.execute(
        "INSERT INTO outbox (type, order_id, data) VALUES (?, ?, ?)",
        (type_, event.order_id, json.dumps(data)),
    )


async def first(db, sql, *values):
    async with db.execute(sql, values) as cursor:
        return await cursor.fetchone()


async def is_new(db, sql, *values):
    return (await db.execute(sql, values)).rowcount == 1


@on("inventory", "OrderPlaced")
async def reserve(db, event):
    if await first(db, "SELECT 1 FROM called_off WHERE order_id = ?", event.order_id):
        await publish(db, event, "StockRefused", {"sku": None})
        return
    items = event.data["items"]
    for sku in items:
        row = await first(db, "SELECT available FROM stock WHERE sku = ?", sku)
        if not row or row[0] < items[sku]:
            await publish(db, event, "StockRefused", {"sku": sku})
            return
    for sku, n in items.items():
        await db.execute("UPDATE stock SET available = available - ? WHERE sku = ?", (n, sku))
    await db.execute(
        "INSERT INTO reservations VALUES (?, ?, 1)", (event.order_id, json.dumps(items))
    )
    await publish(db, event, "StockReserved", {})


@on("inventory", "PaymentDeclined", "ShipmentRefused")
async def release(db, event):
    await db.execute("INSERT OR IGNORE INTO called_off VALUES (?)", (event.order_id,))
    row = await first(
        db, "SELECT items FROM reservations WHERE order_id = ? AND open", event.order_id
    )
    if row:
        await db.execute("UPDATE reservations SET open = 0 WHERE order_id = ?", (event.order_id,))
        for sku, n in json.loads(row[0]).items():
            await db.execute("UPDATE stock SET available = available + ? WHERE sku = ?", (n, sku))
        await publish(db, event, "StockReleased", {})


@on("payment", "OrderPlaced")
async def note_bill(db, event):
    bill = event.order_id, event.data["customer"], event.data["total"]
    await db.execute("INSERT INTO bills VALUES (?, ?, ?)", bill)


@on("payment", "StockReserved")
async def take(db, event):
    bill = await first(db, "SELECT customer, total FROM bills WHERE order_id = ?", event.order_id)
    if bill is None:
        raise NotYet
    if not await is_new(db, "INSERT OR IGNORE INTO payments VALUES (?, 'taken')", event.order_id):
        await publish(db, event, "PaymentDeclined", {"reason": "called off"})
        return
    customer, total = bill
    taken = await db.execute(
        "UPDATE accounts SET balance = balance - ? WHERE customer = ? AND balance >= ?",
        (total, customer, total),
    )
    if taken.rowcount:
        await publish(db, event, "PaymentTaken", {"amount": total})
    else:
        await db.execute("UPDATE payments SET state = 'none' WHERE order_id = ?", (event.order_id,))
        await publish(db, event, "PaymentDeclined", {"reason": "too poor"})


@on("payment", "ShipmentRefused")
async def refund(db, event):
    sql = "INSERT OR IGNORE INTO payments VALUES (?, 'called off')"
    if await is_new(db, sql, event.order_id):
        return
    changed = await db.execute(
        "UPDATE payments SET state = 'refunded' WHERE order_id = ? AND state = 'taken'",
        (event.order_id,),
    )
    if changed.rowcount:
        customer, total = await first(
            db, "SELECT customer, total FROM bills WHERE order_id = ?", event.order_id
        )
        await db.execute(
            "UPDATE accounts SET balance = balance + ? WHERE customer = ?", (total, customer)
        )
        await publish(db, event, "PaymentRefunded", {"amount": total})


@on("shipping", "OrderPlaced")
async def note_customer(db, event):
    await db.execute(
        "INSERT INTO customers VALUES (?, ?)", (event.order_id, event.data["customer"])
    )


@on("shipping", "PaymentTaken")
async def ship(db, event):
    row = await first(db, "SELECT customer FROM customers WHERE order_id = ?", event.order_id)
    if row is None:
        raise NotYet
    if not await is_new(db, "INSERT OR IGNORE INTO decided VALUES (?)", event.order_id):
        return
    if await first(db, "SELECT 1 FROM addresses WHERE customer = ?", row[0]) is None:
        await publish(db, event, "ShipmentRefused", {"reason": "no address"})
        return
    cursor = await db.execute("INSERT INTO parcels (order_id) VALUES (?)", (event.order_id,))
    await publish(db, event, "OrderShipped", {"parcel": cursor.lastrowid})


@on("shipping", "CancelRequested")
async def cancel(db, event):
    await db.execute("INSERT OR IGNORE INTO decided VALUES (?)", (event.order_id,))
    cursor = await db.execute(
        "SELECT 1 FROM outbox WHERE order_id = ? AND type = 'ShipmentRefused'", (event.order_id,)
    )
    if await cursor.fetchone() is None:
        await publish(db, event, "ShipmentRefused", {"reason": "cancelled"})


@on("orders", "OrderShipped")
async def shipped(db, event):
    await db.execute("UPDATE orders SET status = 'shipped' WHERE order_id = ?", (event.order_id,))


@on("orders", "StockRefused", "StockReleased", "PaymentDeclined", "PaymentRefunded")
async def undone(db, event):
    parts = {"StockRefused": ("stock", "money"), "StockReleased": ("stock",)}
    for part in parts.get(event.type, ("money",)):
        await db.execute("INSERT OR IGNORE INTO undone VALUES (?, ?)", (event.order_id, part))
    (count,) = await first(db, "SELECT COUNT(*) FROM undone WHERE order_id = ?", event.order_id)
    changed = await db.execute(
        "UPDATE orders SET status = 'cancelled' WHERE order_id = ? AND status = 'placed' AND ? = 2",
        (event.order_id, count),
    )
    if changed.rowcount:
        await publish(db, event, "OrderCancelled", {"reason": event.type})
