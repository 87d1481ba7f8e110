"""Raises for an undo that comes too early, so that it comes again; meanwhile the do is done.

It works out in the end: the stock is taken, and put back a minute later. Another customer was told
in between that it is sold out.

mistake: no-tombstone
fails: test_the_undo_comes_before_the_do, test_anything_at_any_time
"""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    order_id: str
    data: dict


TABLES = {
    "inventory": "CREATE TABLE state (order_id TEXT PRIMARY KEY, state TEXT, items TEXT)",
    "payment": "CREATE TABLE state (order_id PRIMARY KEY, state, customer, total INTEGER)",
    "shipping": "CREATE TABLE state (order_id TEXT PRIMARY KEY, state TEXT, customer TEXT)",
    "orders": "CREATE TABLE state (order_id PRIMARY KEY, stock DEFAULT 0, money DEFAULT 0, "
    "ended DEFAULT 0)",
}


async def first_time(db, event):
    cursor = await db.execute("INSERT OR IGNORE INTO handled VALUES (?)", (event.id,))
    return cursor.rowcount == 1


async def say(db, event, type_, **data):
    await db.execute(
        "INSERT INTO outbox (type, order_id, data) VALUES (?, ?, ?)",
        (type_, event.order_id, json.dumps(data)),
    )


async def row_of(db, order_id):
    await db.execute("INSERT OR IGNORE INTO state (order_id) VALUES (?)", (order_id,))
    cursor = await db.execute("SELECT * FROM state WHERE order_id = ?", (order_id,))
    return await cursor.fetchone()


async def set_(db, order_id, column, value):
    await db.execute(f"UPDATE state SET {column} = ? WHERE order_id = ?", (value, order_id))


async def inventory(db, event):
    if not await first_time(db, event):
        return
    _, state, items = await row_of(db, event.order_id)
    oid = event.order_id
    match event.type, state:
        case "OrderPlaced", None:
            wanted = event.data["items"]
            short = None
            for sku, quantity in wanted.items():
                row = await (
                    await db.execute("SELECT available FROM stock WHERE sku=?", (sku,))
                ).fetchone()
                if not row or row[0] < quantity:
                    short = sku
            if short:
                await set_(db, oid, "state", "refused")
                await say(db, event, "StockRefused", sku=short)
            else:
                await db.executemany(
                    "UPDATE stock SET available = available - ? WHERE sku = ?",
                    [(q, s) for s, q in wanted.items()],
                )
                await set_(db, oid, "state", "reserved")
                await set_(db, oid, "items", json.dumps(wanted))
                await say(db, event, "StockReserved")
        case "OrderPlaced", "dead":
            await set_(db, oid, "state", "refused")
            await say(db, event, "StockRefused", sku=None)
        case "PaymentDeclined" | "ShipmentRefused", None:
            raise Early("not yet reserved")
        case "PaymentDeclined" | "ShipmentRefused", "reserved":
            await db.executemany(
                "UPDATE stock SET available = available + ? WHERE sku = ?",
                [(q, s) for s, q in json.loads(items).items()],
            )
            await set_(db, oid, "state", "released")
            await say(db, event, "StockReleased")
    await db.commit()


class Early(Exception):
    pass


async def payment(db, event):
    if not await first_time(db, event):
        return
    oid = event.order_id
    _, state, customer, total = await row_of(db, oid)
    match event.type, state:
        case "OrderPlaced", _:
            await db.execute(
                "UPDATE state SET customer = ?, total = ? WHERE order_id = ?",
                (event.data["customer"], event.data["total"], oid),
            )
        case "StockReserved", _ if total is None:
            raise Early("how much?")
        case "StockReserved", None:
            cursor = await db.execute(
                "UPDATE accounts SET balance = balance - ? WHERE customer = ? AND balance >= ?",
                (total, customer, total),
            )
            if cursor.rowcount:
                await set_(db, oid, "state", "paid")
                await say(db, event, "PaymentTaken", amount=total)
            else:
                await set_(db, oid, "state", "declined")
                await say(db, event, "PaymentDeclined", reason="too poor")
        case "StockReserved", "dead":
            await set_(db, oid, "state", "declined")
            await say(db, event, "PaymentDeclined", reason="called off")
        case "ShipmentRefused", None:
            await set_(db, oid, "state", "dead")
        case "ShipmentRefused", "paid":
            await db.execute(
                "UPDATE accounts SET balance = balance + ? WHERE customer = ?", (total, customer)
            )
            await set_(db, oid, "state", "refunded")
            await say(db, event, "PaymentRefunded", amount=total)
    await db.commit()


async def shipping(db, event):
    if not await first_time(db, event):
        return
    oid = event.order_id
    _, state, customer = await row_of(db, oid)
    match event.type, state:
        case "OrderPlaced", _:
            await set_(db, oid, "customer", event.data["customer"])
        case "CancelRequested", None:
            await set_(db, oid, "state", "refused")
            await say(db, event, "ShipmentRefused", reason="cancelled")
        case "PaymentTaken", None:
            if customer is None:
                raise Early("who?")
            row = await (
                await db.execute("SELECT 1 FROM addresses WHERE customer=?", (customer,))
            ).fetchone()
            if row:
                parcel = (
                    await db.execute("INSERT INTO parcels (order_id) VALUES (?)", (oid,))
                ).lastrowid
                await set_(db, oid, "state", "sent")
                await say(db, event, "OrderShipped", parcel=parcel)
            else:
                await set_(db, oid, "state", "refused")
                await say(db, event, "ShipmentRefused", reason="no address")
    await db.commit()


async def orders(db, event):
    if not await first_time(db, event):
        return
    oid = event.order_id
    await row_of(db, oid)
    if event.type == "OrderShipped":
        await db.execute("UPDATE orders SET status = 'shipped' WHERE order_id = ?", (oid,))
    if event.type in ("StockRefused", "StockReleased"):
        await set_(db, oid, "stock", 1)
    if event.type in ("StockRefused", "PaymentDeclined", "PaymentRefunded"):
        await set_(db, oid, "money", 1)
    cursor = await db.execute(
        "UPDATE state SET ended = 1 WHERE order_id = ? AND stock AND money AND NOT ended", (oid,)
    )
    if cursor.rowcount:
        await db.execute("UPDATE orders SET status = 'cancelled' WHERE order_id = ?", (oid,))
        await say(db, event, "OrderCancelled", reason=event.type)
    await db.commit()
