"""One loop: a message, or the time at which something is due, whichever is first."""

import asyncio
import json
import time
from dataclasses import dataclass, field

import aiosqlite


@dataclass(frozen=True)
class Message:
    id: str
    type: str
    order_id: str
    data: dict = field(default_factory=dict)
    reply_to: str | None = None


TABLES = """
CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY,
    data TEXT NOT NULL,
    doing TEXT NOT NULL,
    send_at REAL,
    deadline REAL
);
"""

AGENT = {
    "ReserveStock": "inventory",
    "ReleaseStock": "inventory",
    "TakePayment": "payment",
    "CancelPayment": "payment",
    "RefundPayment": "payment",
    "ShipOrder": "shipping",
    "ConfirmDelivery": "shipping",
    "OrderDelivered": "shop",
    "OrderCancelled": "shop",
}

NEXT = {
    ("ReserveStock", "StockReserved"): "TakePayment",
    ("ReserveStock", "StockRefused"): "OrderCancelled",
    ("TakePayment", "PaymentTaken"): "ShipOrder",
    ("TakePayment", "PaymentDeclined"): "ReleaseStock",
    ("CancelPayment", "PaymentCancelled"): "ReleaseStock",
    ("CancelPayment", "PaymentDeclined"): "ReleaseStock",
    ("CancelPayment", "PaymentTaken"): "RefundPayment",
    ("ShipOrder", "OrderShipped"): "ConfirmDelivery",
    ("ShipOrder", "ShipmentRefused"): "RefundPayment",
    ("ConfirmDelivery", "OrderDelivered"): "OrderDelivered",
    ("RefundPayment", "PaymentRefunded"): "ReleaseStock",
    ("ReleaseStock", "StockReleased"): "OrderCancelled",
}


class Manager:
    def __init__(self, db, bus, deadline, retry):
        self.db = db
        self.bus = bus
        self.deadline = deadline
        self.retry = retry

    async def turn_back_late(self):
        """Orders whose payment has taken too long."""
        now = time.time()
        await self.db.execute(
            "UPDATE orders SET doing = 'CancelPayment', send_at = ?, deadline = NULL "
            "WHERE deadline <= ?",
            (now, now),
        )
        await self.db.commit()

    async def send_due(self):
        cursor = await self.db.execute(
            "SELECT order_id, data, doing FROM orders WHERE send_at <= ? ORDER BY send_at",
            (time.time(),),
        )
        for order_id, data, doing in await cursor.fetchall():
            to = AGENT[doing]
            await self.bus.send(
                to, Message(f"{order_id}/{doing}", doing, order_id, json.loads(data))
            )
            again = None if to == "shop" else time.time() + self.retry
            await self.db.execute(
                "UPDATE orders SET send_at = ? WHERE order_id = ?", (again, order_id)
            )
            await self.db.commit()

    async def handle(self, message):
        now = time.time()
        if message.type == "OrderPlaced":
            await self.db.execute(
                "INSERT OR IGNORE INTO orders VALUES (?, ?, 'ReserveStock', ?, NULL)",
                (message.order_id, json.dumps(dict(message.data)), now),
            )
        else:
            cursor = await self.db.execute(
                "SELECT doing FROM orders WHERE order_id = ?", (message.order_id,)
            )
            row = await cursor.fetchone()
            doing = NEXT.get((row[0], message.type)) if row else None
            if doing is not None:
                deadline = now + self.deadline if doing == "TakePayment" else None
                await self.db.execute(
                    "UPDATE orders SET doing = ?, send_at = ?, deadline = ? WHERE order_id = ?",
                    (doing, now, deadline, message.order_id),
                )
        await self.db.commit()
        await self.bus.acknowledge(message)

    async def pause(self):
        cursor = await self.db.execute("SELECT min(send_at), min(deadline) FROM orders")
        times = [when for when in await cursor.fetchone() if when is not None]
        return max(0.0, min(times) - time.time()) if times else None

    async def run(self):
        while True:
            await self.turn_back_late()
            await self.send_due()
            try:
                message = await asyncio.wait_for(self.bus.receive(), await self.pause())
            except TimeoutError:
                continue
            await self.turn_back_late()
            await self.handle(message)


async def manage(database, bus, *, deadline=600.0, retry=30.0):
    async with aiosqlite.connect(database) as db:
        await db.executescript(TABLES)
        await Manager(db, bus, deadline, retry).run()
