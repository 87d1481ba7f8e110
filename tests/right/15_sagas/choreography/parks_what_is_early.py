"""An event that cannot be used yet is parked, and comes out again when what was missing is there.

Each agent has tables of its own kind: reservations, bills, payments, decisions.
"""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    order_id: str
    data: dict


COMMON = "CREATE TABLE parked (id TEXT PRIMARY KEY, order_id TEXT, type TEXT, data TEXT);"
TABLES = {
    "inventory": "CREATE TABLE reservations (order_id TEXT PRIMARY KEY, items TEXT, open INTEGER);"
    "CREATE TABLE off (order_id TEXT PRIMARY KEY);",
    "payment": COMMON
    + "CREATE TABLE bills (order_id TEXT PRIMARY KEY, customer TEXT, total INTEGER);"
    "CREATE TABLE payments (order_id TEXT PRIMARY KEY, outcome TEXT);"
    "CREATE TABLE off (order_id TEXT PRIMARY KEY);",
    "shipping": COMMON + "CREATE TABLE who (order_id TEXT PRIMARY KEY, customer TEXT);"
    "CREATE TABLE decided (order_id TEXT PRIMARY KEY);",
    "orders": "CREATE TABLE undone (order_id TEXT, what TEXT, PRIMARY KEY (order_id, what));"
    "CREATE TABLE ended (order_id TEXT PRIMARY KEY);",
}


async def one(db, sql, *args):
    cursor = await db.execute(sql, args)
    return await cursor.fetchone()


async def publish(db, order_id, type_, **data):
    await db.execute(
        "INSERT INTO outbox (type, order_id, data) VALUES (?,?,?)",
        (type_, order_id, json.dumps(data)),
    )


async def inventory(db, event):
    o = event.order_id
    known = await one(db, "SELECT items, open FROM reservations WHERE order_id=?", o)
    if event.type == "OrderPlaced":
        if known:
            return
        off = await one(db, "SELECT 1 FROM off WHERE order_id=?", o)
        missing = None
        if not off:
            for sku, n in event.data["items"].items():
                if not await one(db, "SELECT 1 FROM stock WHERE sku=? AND available>=?", sku, n):
                    missing = sku
        if off or missing:
            await db.execute("INSERT INTO reservations VALUES (?, '{}', 0)", (o,))
            await publish(db, o, "StockRefused", sku=missing)
        else:
            for sku, n in event.data["items"].items():
                await db.execute("UPDATE stock SET available=available-? WHERE sku=?", (n, sku))
            await db.execute(
                "INSERT INTO reservations VALUES (?, ?, 1)", (o, json.dumps(event.data["items"]))
            )
            await publish(db, o, "StockReserved")
    elif known is None:
        await db.execute("INSERT OR IGNORE INTO off VALUES (?)", (o,))
    elif known[1]:
        for sku, n in json.loads(known[0]).items():
            await db.execute("UPDATE stock SET available=available+? WHERE sku=?", (n, sku))
        await db.execute("UPDATE reservations SET open=0 WHERE order_id=?", (o,))
        await publish(db, o, "StockReleased")
    await db.commit()


async def unpark(db, order_id, handler):
    cursor = await db.execute("SELECT id, type, data FROM parked WHERE order_id=?", (order_id,))
    for id_, type_, data in await cursor.fetchall():
        await db.execute("DELETE FROM parked WHERE id=?", (id_,))
        await handler(db, Event(id_, type_, order_id, json.loads(data)))


async def park(db, event):
    await db.execute(
        "INSERT OR IGNORE INTO parked VALUES (?,?,?,?)",
        (event.id, event.order_id, event.type, json.dumps(event.data)),
    )


async def _payment(db, event):
    o = event.order_id
    bill = await one(db, "SELECT customer, total FROM bills WHERE order_id=?", o)
    outcome = await one(db, "SELECT outcome FROM payments WHERE order_id=?", o)
    if event.type == "OrderPlaced":
        await db.execute(
            "INSERT OR IGNORE INTO bills VALUES (?,?,?)",
            (o, event.data["customer"], event.data["total"]),
        )
        await unpark(db, o, _payment)
    elif event.type == "StockReserved":
        if outcome:
            return
        if not bill:
            await park(db, event)
            return
        if await one(db, "SELECT 1 FROM off WHERE order_id=?", o):
            await db.execute("INSERT INTO payments VALUES (?, 'declined')", (o,))
            await publish(db, o, "PaymentDeclined", reason="off")
        elif await one(db, "SELECT 1 FROM accounts WHERE customer=? AND balance>=?", *bill):
            await db.execute(
                "UPDATE accounts SET balance=balance-? WHERE customer=?", (bill[1], bill[0])
            )
            await db.execute("INSERT INTO payments VALUES (?, 'taken')", (o,))
            await publish(db, o, "PaymentTaken", amount=bill[1])
        else:
            await db.execute("INSERT INTO payments VALUES (?, 'declined')", (o,))
            await publish(db, o, "PaymentDeclined", reason="money")
    elif event.type == "ShipmentRefused":
        await db.execute("INSERT OR IGNORE INTO off VALUES (?)", (o,))
        if outcome and outcome[0] == "taken":
            await db.execute(
                "UPDATE accounts SET balance=balance+? WHERE customer=?", (bill[1], bill[0])
            )
            await db.execute("UPDATE payments SET outcome='refunded' WHERE order_id=?", (o,))
            await publish(db, o, "PaymentRefunded", amount=bill[1])


async def payment(db, event):
    await _payment(db, event)
    await db.commit()


async def _shipping(db, event):
    o = event.order_id
    if event.type == "OrderPlaced":
        await db.execute("INSERT OR IGNORE INTO who VALUES (?,?)", (o, event.data["customer"]))
        await unpark(db, o, _shipping)
        return
    if await one(db, "SELECT 1 FROM decided WHERE order_id=?", o):
        return
    if event.type == "CancelRequested":
        await publish(db, o, "ShipmentRefused", reason="cancel")
    else:
        who = await one(db, "SELECT customer FROM who WHERE order_id=?", o)
        if not who:
            await park(db, event)
            return
        if await one(db, "SELECT 1 FROM addresses WHERE customer=?", who[0]):
            cursor = await db.execute("INSERT INTO parcels (order_id) VALUES (?)", (o,))
            await publish(db, o, "OrderShipped", parcel=cursor.lastrowid)
        else:
            await publish(db, o, "ShipmentRefused", reason="nowhere")
    await db.execute("INSERT INTO decided VALUES (?)", (o,))


async def shipping(db, event):
    await _shipping(db, event)
    await db.commit()


async def orders(db, event):
    o = event.order_id
    if event.type == "OrderShipped":
        await db.execute("UPDATE orders SET status='shipped' WHERE order_id=?", (o,))
    else:
        what = {"StockRefused": ["stock", "money"], "StockReleased": ["stock"]}.get(
            event.type, ["money"]
        )
        for w in what:
            await db.execute("INSERT OR IGNORE INTO undone VALUES (?,?)", (o, w))
        (n,) = await one(db, "SELECT count(*) FROM undone WHERE order_id=?", o)
        if n == 2:
            cursor = await db.execute("INSERT OR IGNORE INTO ended VALUES (?)", (o,))
            if cursor.rowcount == 1:
                await db.execute("INSERT OR REPLACE INTO orders VALUES (?, 'cancelled')", (o,))
                await publish(db, o, "OrderCancelled", reason=event.data.get("reason", event.type))
    await db.commit()
