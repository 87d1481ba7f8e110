"""What is known of an order is a set of facts, and a pure function says what to do next.

No ids of events at all: a fact that is there already changes nothing.
"""

import json
from dataclasses import dataclass

import aiosqlite


@dataclass
class Event:
    id: str
    type: str
    order_id: str
    data: dict


FACTS = "CREATE TABLE facts (order_id TEXT, fact TEXT, data TEXT, UNIQUE (order_id, fact));"
TABLES = dict.fromkeys(["inventory", "payment", "shipping", "orders"], FACTS)
REFUSAL = {
    "StockReserved": "StockRefused",
    "PaymentTaken": "PaymentDeclined",
    "OrderShipped": "ShipmentRefused",
}


def next_inventory(facts):
    off = "PaymentDeclined" in facts or "ShipmentRefused" in facts
    if "StockReserved" in facts:
        return "StockReleased" if off else None
    if "OrderPlaced" in facts:
        return "StockRefused" if off else "StockReserved"
    return None


def next_payment(facts):
    if "PaymentTaken" in facts:
        return "PaymentRefunded" if "ShipmentRefused" in facts else None
    if "OrderPlaced" in facts and "StockReserved" in facts:
        return "PaymentDeclined" if "ShipmentRefused" in facts else "PaymentTaken"
    return None


def next_shipping(facts):
    if "CancelRequested" in facts and "OrderShipped" not in facts:
        return "ShipmentRefused"
    return "OrderShipped" if {"OrderPlaced", "PaymentTaken"} <= facts.keys() else None


def next_orders(facts):
    if "OrderShipped" in facts:
        return None
    money = {"PaymentDeclined", "PaymentRefunded"} & facts.keys()
    gone = "StockRefused" in facts or ("StockReleased" in facts and money)
    return "OrderCancelled" if gone else None


async def step(db: aiosqlite.Connection, event: Event, decide, act):
    try:
        await add(db, event.order_id, event.type, event.data)
        rows = await db.execute_fetchall(
            "SELECT fact, data FROM facts WHERE order_id = ?", (event.order_id,)
        )
        facts = {fact: json.loads(data) for fact, data in rows}
        wish = decide(facts)
        if wish and wish not in facts and REFUSAL.get(wish) not in facts:
            said, data = await act(db, wish, facts, event.order_id)
            await add(db, event.order_id, said, data)
            await db.execute(
                "INSERT INTO outbox (type, order_id, data) VALUES (?, ?, ?)",
                (said, event.order_id, json.dumps(data)),
            )
        elif event.type == "OrderShipped":
            await act(db, event.type, facts, event.order_id)
        await db.commit()
    except BaseException:
        await db.rollback()
        raise


async def add(db, order_id, fact, data):
    await db.execute(
        "INSERT OR IGNORE INTO facts VALUES (?, ?, ?)", (order_id, fact, json.dumps(data))
    )


async def inventory(db, event):
    async def act(db, wish, facts, order_id):
        items = facts["OrderPlaced"]["items"]
        if wish == "StockRefused":
            return wish, {"sku": None}
        if wish == "StockReserved":
            stock = dict(await db.execute_fetchall("SELECT sku, available FROM stock"))
            for sku, quantity in items.items():
                if stock.get(sku, 0) < quantity:
                    return "StockRefused", {"sku": sku}
        sign = {"StockReserved": "-", "StockReleased": "+"}[wish]
        await db.executemany(
            f"UPDATE stock SET available = available {sign} ? WHERE sku = ?",
            [(quantity, sku) for sku, quantity in items.items()],
        )
        return wish, {}

    await step(db, event, next_inventory, act)


async def payment(db, event):
    async def act(db, wish, facts, order_id):
        if wish == "PaymentDeclined":
            return wish, {"reason": "called off"}
        customer, total = facts["OrderPlaced"]["customer"], facts["OrderPlaced"]["total"]
        by = total if wish == "PaymentRefunded" else -total
        cursor = await db.execute(
            "UPDATE accounts SET balance = balance + ? WHERE customer = ?", (by, customer)
        )
        rows = await db.execute_fetchall(
            "SELECT balance FROM accounts WHERE customer = ?", (customer,)
        )
        if cursor.rowcount and next(iter(rows))[0] >= 0:
            return wish, {"amount": total}
        await db.execute(
            "UPDATE accounts SET balance = balance - ? WHERE customer = ?", (by, customer)
        )
        return "PaymentDeclined", {"reason": "poor"}

    await step(db, event, next_payment, act)


async def shipping(db, event):
    async def act(db, wish, facts, order_id):
        if wish == "ShipmentRefused":
            return wish, {"reason": "cancelled"}
        cursor = await db.execute(
            "INSERT INTO parcels (order_id) SELECT ? FROM addresses WHERE customer = ?",
            (order_id, facts["OrderPlaced"]["customer"]),
        )
        if cursor.rowcount < 1:
            return "ShipmentRefused", {"reason": "no address"}
        return wish, {"parcel": cursor.lastrowid}

    await step(db, event, next_shipping, act)


async def orders(db, event):
    async def act(db, wish, facts, order_id):
        status = "shipped" if wish == "OrderShipped" else "cancelled"
        await db.execute("UPDATE orders SET status = ? WHERE order_id = ?", (status, order_id))
        return wish, {"reason": "could not be done"}

    await step(db, event, next_orders, act)
