"""A state for each order in each agent, and a match over (state, event).

Ids of handled events keep copies out; states keep out whatever else would be done twice.
"""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    order_id: str
    data: dict


STATES = "CREATE TABLE states (order_id TEXT PRIMARY KEY, state TEXT NOT NULL, note TEXT);"
TABLES = {"inventory": STATES, "payment": STATES, "shipping": STATES, "orders": STATES}


class Book:
    """One transaction about one event: the state of its order, and what is published."""

    def __init__(self, db, event):
        self.db, self.event = db, event

    async def __aenter__(self):
        await self.db.execute("BEGIN IMMEDIATE")
        new = await self.db.execute("INSERT OR IGNORE INTO handled VALUES (?)", (self.event.id,))
        self.is_copy = new.rowcount == 0
        cursor = await self.db.execute(
            "SELECT state, note FROM states WHERE order_id = ?", (self.event.order_id,)
        )
        row = await cursor.fetchone()
        self.state, self.note = row if row else ("new", None)
        return self

    async def __aexit__(self, kind, error, trace):
        if kind is not None:
            await self.db.rollback()
            return
        await self.db.execute(
            "INSERT INTO states VALUES (?, ?, ?) "
            "ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, note = excluded.note",
            (self.event.order_id, self.state, self.note),
        )
        await self.db.commit()

    async def publish(self, type_, **data):
        await self.db.execute(
            "INSERT INTO outbox (type, order_id, data) VALUES (?, ?, ?)",
            (type_, self.event.order_id, json.dumps(data)),
        )


async def inventory(db, event):
    async with Book(db, event) as book:
        if book.is_copy:
            return
        match book.state, event.type:
            case "new", "OrderPlaced":
                await reserve(db, book, event.data["items"])
            case "called off", "OrderPlaced":
                book.state = "refused"
                await book.publish("StockRefused", sku=None)
            case "new", "PaymentDeclined" | "ShipmentRefused":
                book.state = "called off"
            case "reserved", "PaymentDeclined" | "ShipmentRefused":
                book.state = "released"
                for sku, quantity in json.loads(book.note).items():
                    await db.execute(
                        "UPDATE stock SET available = available + ? WHERE sku = ?", (quantity, sku)
                    )
                await book.publish("StockReleased")


async def reserve(db, book, items):
    for sku, quantity in items.items():
        cursor = await db.execute(
            "SELECT 1 FROM stock WHERE sku = ? AND available >= ?", (sku, quantity)
        )
        if await cursor.fetchone() is None:
            book.state = "refused"
            await book.publish("StockRefused", sku=sku)
            return
    for sku, quantity in items.items():
        await db.execute(
            "UPDATE stock SET available = available - ? WHERE sku = ?", (quantity, sku)
        )
    book.state, book.note = "reserved", json.dumps(items)
    await book.publish("StockReserved")


async def payment(db, event):
    async with Book(db, event) as book:
        if book.is_copy:
            return
        match book.state, event.type:
            case "new", "OrderPlaced":
                book.state, book.note = "placed", json.dumps(event.data)
            case "new", "StockReserved":
                book.state = "reserved"
            case "placed", "StockReserved":
                await take(db, book, json.loads(book.note))
            case "reserved", "OrderPlaced":
                book.note = json.dumps(event.data)
                await take(db, book, event.data)
            case "new" | "placed", "ShipmentRefused":
                book.state = "called off"
            case ("called off", "StockReserved") | ("reserved", "ShipmentRefused"):
                book.state = "declined"
                await book.publish("PaymentDeclined", reason="called off")
            case "taken", "ShipmentRefused":
                book.state, order = "refunded", json.loads(book.note)
                await db.execute(
                    "UPDATE accounts SET balance = balance + ? WHERE customer = ?",
                    (order["total"], order["customer"]),
                )
                await book.publish("PaymentRefunded", amount=order["total"])


async def take(db, book, order):
    cursor = await db.execute(
        "SELECT balance FROM accounts WHERE customer = ?", (order["customer"],)
    )
    row = await cursor.fetchone()
    if row is None or row[0] < order["total"]:
        book.state = "declined"
        await book.publish("PaymentDeclined", reason="no money")
        return
    await db.execute(
        "UPDATE accounts SET balance = ? WHERE customer = ?",
        (row[0] - order["total"], order["customer"]),
    )
    book.state = "taken"
    await book.publish("PaymentTaken", amount=order["total"])


async def shipping(db, event):
    async with Book(db, event) as book:
        if book.is_copy:
            return
        match book.state, event.type:
            case "new", "OrderPlaced":
                book.state, book.note = "placed", event.data["customer"]
            case "new", "PaymentTaken":
                book.state = "paid"
            case "placed", "PaymentTaken":
                await ship(db, book)
            case "paid", "OrderPlaced":
                book.note = event.data["customer"]
                await ship(db, book)
            case "new" | "placed" | "paid", "CancelRequested":
                book.state = "refused"
                await book.publish("ShipmentRefused", reason="the customer has cancelled")


async def ship(db, book):
    cursor = await db.execute("SELECT 1 FROM addresses WHERE customer = ?", (book.note,))
    if await cursor.fetchone() is None:
        book.state = "refused"
        await book.publish("ShipmentRefused", reason="where to?")
        return
    cursor = await db.execute("INSERT INTO parcels (order_id) VALUES (?)", (book.event.order_id,))
    book.state = "shipped"
    await book.publish("OrderShipped", parcel=cursor.lastrowid)


async def orders(db, event):
    async with Book(db, event) as book:
        if book.is_copy:
            return
        match book.state, event.type:
            case _, "OrderShipped":
                await close(db, book, "shipped")
            case "cancelled", _:
                pass
            case _, "StockRefused":
                await close(db, book, "cancelled")
            case "no stock left", "PaymentDeclined" | "PaymentRefunded":
                await close(db, book, "cancelled")
            case "no money left", "StockReleased":
                await close(db, book, "cancelled")
            case _, "StockReleased":
                book.state = "no stock left"
            case _, "PaymentDeclined" | "PaymentRefunded":
                book.state = "no money left"


async def close(db, book, status):
    book.state = status
    await db.execute(
        "UPDATE orders SET status = ? WHERE order_id = ?", (status, book.event.order_id)
    )
    if status == "cancelled":
        await book.publish("OrderCancelled", reason="it could not be done")
