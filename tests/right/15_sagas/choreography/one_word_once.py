"""A unique index on the outbox knows what was said; a savepoint takes half a reservation back."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    order_id: str
    data: dict


HEARD = """
CREATE UNIQUE INDEX once ON outbox (order_id, type);
CREATE TABLE heard (order_id TEXT, type TEXT, data TEXT, PRIMARY KEY (order_id, type));
"""
TABLES = dict.fromkeys(("inventory", "payment", "shipping", "orders"), HEARD)


class Order:
    """What this agent knows of one order, and a transaction on its database."""

    def __init__(self, db, event):
        self.db, self.event, self.id = db, event, event.order_id

    async def __aenter__(self):
        await self.db.execute(
            "INSERT INTO heard VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (self.id, self.event.type, json.dumps(self.event.data)),
        )
        self.heard = {
            t: json.loads(d)
            for t, d in await self.db.execute_fetchall(
                "SELECT type, data FROM heard WHERE order_id = ?", (self.id,)
            )
        }
        self.said = {
            t
            for (t,) in await self.db.execute_fetchall(
                "SELECT type FROM outbox WHERE order_id = ?", (self.id,)
            )
        }
        return self

    async def __aexit__(self, kind, *_):
        if kind is None:
            await self.db.commit()
        else:
            await self.db.rollback()

    async def say(self, type_, **data):
        await self.db.execute(
            "INSERT INTO outbox (type, order_id, data) VALUES (?, ?, ?)",
            (type_, self.id, json.dumps(data)),
        )
        self.said.add(type_)


async def inventory(db, event):
    async with Order(db, event) as order:
        if "OrderPlaced" not in order.heard:
            return
        items = order.heard["OrderPlaced"]["items"]
        off = order.heard.keys() & {"PaymentDeclined", "ShipmentRefused"}
        if not order.said:
            if off:
                await order.say("StockRefused", sku=None)
                return
            await db.execute("SAVEPOINT take")
            for sku, quantity in items.items():
                taken = await db.execute(
                    "UPDATE stock SET available = available - ? WHERE sku = ? AND available >= ?",
                    (quantity, sku, quantity),
                )
                if not taken.rowcount:
                    await db.execute("ROLLBACK TO take")
                    await order.say("StockRefused", sku=sku)
                    return
            await order.say("StockReserved")
        elif off and order.said == {"StockReserved"}:
            for sku, quantity in items.items():
                await db.execute(
                    "UPDATE stock SET available = available + ? WHERE sku = ?", (quantity, sku)
                )
            await order.say("StockReleased")


async def payment(db, event):
    async with Order(db, event) as order:
        if not order.heard.keys() >= {"OrderPlaced", "StockReserved"}:
            return
        bill = order.heard["OrderPlaced"]
        off = "ShipmentRefused" in order.heard
        if not order.said:
            if not off:
                paid = await db.execute(
                    "UPDATE accounts SET balance = balance - :t "
                    "WHERE customer = :c AND balance >= :t",
                    {"t": bill["total"], "c": bill["customer"]},
                )
            if off or not paid.rowcount:
                await order.say("PaymentDeclined", reason="no")
            else:
                await order.say("PaymentTaken", amount=bill["total"])
        elif off and order.said == {"PaymentTaken"}:
            await db.execute(
                "UPDATE accounts SET balance = balance + ? WHERE customer = ?",
                (bill["total"], bill["customer"]),
            )
            await order.say("PaymentRefunded", amount=bill["total"])


async def shipping(db, event):
    async with Order(db, event) as order:
        if order.said:
            return
        if "CancelRequested" in order.heard:
            await order.say("ShipmentRefused", reason="as you wish")
        elif order.heard.keys() >= {"OrderPlaced", "PaymentTaken"}:
            customer = order.heard["OrderPlaced"]["customer"]
            if await db.execute_fetchall("SELECT * FROM addresses WHERE customer = ?", (customer,)):
                cursor = await db.execute("INSERT INTO parcels (order_id) VALUES (?)", (order.id,))
                await order.say("OrderShipped", parcel=cursor.lastrowid)
            else:
                await order.say("ShipmentRefused", reason="no address")


async def orders(db, event):
    async with Order(db, event) as order:
        heard = order.heard.keys()
        if "OrderShipped" in heard:
            await db.execute("UPDATE orders SET status = 'shipped' WHERE order_id = ?", (order.id,))
        elif not order.said and (
            "StockRefused" in heard
            or ("StockReleased" in heard and heard & {"PaymentRefunded", "PaymentDeclined"})
        ):
            await db.execute(
                "UPDATE orders SET status = 'cancelled' WHERE order_id = ?", (order.id,)
            )
            await order.say("OrderCancelled", reason=event.type)
