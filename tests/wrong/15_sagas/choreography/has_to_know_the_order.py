"""Hears the customer cancel, and waits for OrderPlaced before it answers.

mistake: assumes-arrival-order
fails: test_the_customer_cancels_at_any_time
"""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    order_id: str
    data: dict


HEARD = """
CREATE TABLE IF NOT EXISTS heard (
    order_id TEXT, type TEXT, data TEXT, PRIMARY KEY (order_id, type)
);
"""

TABLES = {"inventory": HEARD, "payment": HEARD, "shipping": HEARD, "orders": HEARD}


async def learn(db, event):
    """Write the event down, and return all that is known of its order: type -> data."""
    await db.execute(
        "INSERT OR IGNORE INTO heard VALUES (?, ?, ?)",
        (event.order_id, event.type, json.dumps(event.data)),
    )
    known = {}
    for table in ("heard", "outbox"):
        cursor = await db.execute(
            f"SELECT type, data FROM {table} WHERE order_id = ?", (event.order_id,)
        )
        for type_, data in await cursor.fetchall():
            known[type_] = json.loads(data)
    return known


async def publish(db, type_, order_id, **data):
    await db.execute(
        "INSERT INTO outbox (type, order_id, data) VALUES (?, ?, ?)",
        (type_, order_id, json.dumps(data)),
    )


async def inventory(db, event):
    known = await learn(db, event)
    off = "PaymentDeclined" in known or "ShipmentRefused" in known
    if "OrderPlaced" in known and "StockRefused" not in known and "StockReleased" not in known:
        items = known["OrderPlaced"]["items"]
        if "StockReserved" in known:
            if off:
                for sku, quantity in items.items():
                    await db.execute(
                        "UPDATE stock SET available = available + ? WHERE sku = ?", (quantity, sku)
                    )
                await publish(db, "StockReleased", event.order_id)
        elif off:
            await publish(db, "StockRefused", event.order_id, sku=None)
        else:
            missing = None
            for sku, quantity in items.items():
                cursor = await db.execute("SELECT available FROM stock WHERE sku = ?", (sku,))
                row = await cursor.fetchone()
                if row is None or row[0] < quantity:
                    missing = sku
                    break
            if missing is not None:
                await publish(db, "StockRefused", event.order_id, sku=missing)
            else:
                for sku, quantity in items.items():
                    await db.execute(
                        "UPDATE stock SET available = available - ? WHERE sku = ?", (quantity, sku)
                    )
                await publish(db, "StockReserved", event.order_id)
    await db.commit()


async def payment(db, event):
    known = await learn(db, event)
    off = "ShipmentRefused" in known
    if "PaymentTaken" in known:
        if off and "PaymentRefunded" not in known:
            total = known["OrderPlaced"]["total"]
            await db.execute(
                "UPDATE accounts SET balance = balance + ? WHERE customer = ?",
                (total, known["OrderPlaced"]["customer"]),
            )
            await publish(db, "PaymentRefunded", event.order_id, amount=total)
    elif "OrderPlaced" in known and "StockReserved" in known and "PaymentDeclined" not in known:
        total = known["OrderPlaced"]["total"]
        if off:
            await publish(db, "PaymentDeclined", event.order_id, reason="will not be shipped")
        else:
            cursor = await db.execute(
                "UPDATE accounts SET balance = balance - ? WHERE customer = ? AND balance >= ?",
                (total, known["OrderPlaced"]["customer"], total),
            )
            if cursor.rowcount == 1:
                await publish(db, "PaymentTaken", event.order_id, amount=total)
            else:
                await publish(db, "PaymentDeclined", event.order_id, reason="not enough money")
    await db.commit()


async def shipping(db, event):
    known = await learn(db, event)
    if "OrderShipped" not in known and "ShipmentRefused" not in known:
        if "CancelRequested" in known and "OrderPlaced" in known:
            await publish(db, "ShipmentRefused", event.order_id, reason="cancelled by customer")
        elif "OrderPlaced" in known and "PaymentTaken" in known:
            cursor = await db.execute(
                "SELECT 1 FROM addresses WHERE customer = ?", (known["OrderPlaced"]["customer"],)
            )
            if await cursor.fetchone() is None:
                await publish(db, "ShipmentRefused", event.order_id, reason="no address")
            else:
                cursor = await db.execute(
                    "INSERT INTO parcels (order_id) VALUES (?)", (event.order_id,)
                )
                await publish(db, "OrderShipped", event.order_id, parcel=cursor.lastrowid)
    await db.commit()


async def orders(db, event):
    known = await learn(db, event)
    if "OrderShipped" in known:
        await db.execute(
            "UPDATE orders SET status = 'shipped' WHERE order_id = ?", (event.order_id,)
        )
    elif "OrderCancelled" not in known:
        stock_back = "StockReleased" in known
        money_back = "PaymentDeclined" in known or "PaymentRefunded" in known
        if "StockRefused" in known or (stock_back and money_back):
            if "StockRefused" in known:
                reason = "sold out"
            else:
                reason = known.get("PaymentDeclined", {}).get("reason", "not shipped")
            await db.execute(
                "UPDATE orders SET status = 'cancelled' WHERE order_id = ?", (event.order_id,)
            )
            await publish(db, "OrderCancelled", event.order_id, reason=reason)
    await db.commit()
