"""Timers of the loop, made anew from the database at the start; SQLite in threads; no aiosqlite."""

import asyncio
import json
import sqlite3
import time
from dataclasses import dataclass, field
from functools import partial


@dataclass(frozen=True)
class Message:
    id: str
    type: str
    order_id: str
    data: dict = field(default_factory=dict)
    reply_to: str | None = None


FLOW = {
    "ReserveStock": {"StockReserved": "TakePayment", "StockRefused": "OrderCancelled"},
    "TakePayment": {
        "PaymentTaken": "ShipOrder",
        "PaymentDeclined": "ReleaseStock",
        "deadline": "CancelPayment",
    },
    "CancelPayment": {
        "PaymentTaken": "RefundPayment",
        "PaymentDeclined": "ReleaseStock",
        "PaymentCancelled": "ReleaseStock",
    },
    "ShipOrder": {"OrderShipped": "ConfirmDelivery", "ShipmentRefused": "RefundPayment"},
    "ConfirmDelivery": {"OrderDelivered": "OrderDelivered"},
    "RefundPayment": {"PaymentRefunded": "ReleaseStock"},
    "ReleaseStock": {"StockReleased": "OrderCancelled"},
    "OrderDelivered": {},
    "OrderCancelled": {},
}
AGENTS = {
    "Stock": "inventory",
    "Payment": "payment",
    "ShipOrder": "shipping",
    "Delivery": "shipping",
}


def receiver_of(command):
    return next((to for part, to in AGENTS.items() if command.endswith(part)), "shop")


class Manager:
    def __init__(self, database, bus, deadline, retry):
        self.database, self.bus, self.deadline, self.retry = database, bus, deadline, retry
        self.events = asyncio.Queue()
        self.timers = {}

    def sql(self, statement, *values):
        with sqlite3.connect(self.database, timeout=10) as db:
            rows = db.execute(statement, values).fetchall()
        db.close()
        return rows

    async def run(self):
        await asyncio.to_thread(
            self.sql,
            "CREATE TABLE IF NOT EXISTS sagas"
            " (order_id TEXT PRIMARY KEY, data TEXT, at TEXT, late REAL, told INTEGER DEFAULT 0)",
        )
        rows = await asyncio.to_thread(self.sql, "SELECT order_id FROM sagas WHERE NOT told")
        for (order_id,) in rows:
            self.events.put_nowait(("send", order_id))
        pump = asyncio.create_task(self.pump())
        try:
            while True:
                what, *details = await self.events.get()
                await getattr(self, what)(*details)
        finally:
            pump.cancel()
            for timer in self.timers.values():
                timer.cancel()

    async def pump(self):
        while True:
            self.events.put_nowait(("on_message", await self.bus.receive()))

    async def on_message(self, message):
        if message.type == "OrderPlaced":
            before = await self.saga(message.order_id)
            if not before:
                await asyncio.to_thread(
                    self.sql,
                    "INSERT INTO sagas (order_id, data, at) VALUES (?, ?, 'ReserveStock')",
                    message.order_id,
                    json.dumps(dict(message.data)),
                )
            await self.bus.acknowledge(message)
            if not before:
                await self.send(message.order_id)
        else:
            await self.happened(message.order_id, message.type)
            await self.bus.acknowledge(message)

    async def saga(self, order_id):
        rows = await asyncio.to_thread(
            self.sql, "SELECT data, at, late, told FROM sagas WHERE order_id = ?", order_id
        )
        return rows[0] if rows else None

    async def happened(self, order_id, what):
        saga = await self.saga(order_id)
        if saga is None or saga[3]:
            return
        then = FLOW[saga[1]].get(what)
        if then is None:
            return
        late = time.time() + self.deadline if then == "TakePayment" else None
        await asyncio.to_thread(
            self.sql, "UPDATE sagas SET at = ?, late = ? WHERE order_id = ?", then, late, order_id
        )
        await self.send(order_id)

    async def send(self, order_id):
        data, at, late, told = await self.saga(order_id)
        if told:
            return
        if late is not None and late <= time.time():
            await self.happened(order_id, "deadline")
            return
        to = receiver_of(at)
        await self.bus.send(to, Message(f"{order_id}:{at}", at, order_id, json.loads(data)))
        if old := self.timers.pop(order_id, None):
            old.cancel()
        if to == "shop":
            await asyncio.to_thread(
                self.sql, "UPDATE sagas SET told = 1 WHERE order_id = ?", order_id
            )
            return
        loop = asyncio.get_running_loop()
        self.timers[order_id] = loop.call_later(
            self.retry, self.events.put_nowait, ("again", order_id, at)
        )
        if late is not None:
            loop.call_at(
                loop.time() + late - time.time(),
                partial(self.events.put_nowait, ("late", order_id)),
            )

    async def again(self, order_id, at):
        saga = await self.saga(order_id)
        if saga[1] == at:
            await self.send(order_id)

    async def late(self, order_id):
        saga = await self.saga(order_id)
        if saga[2] is not None and saga[2] <= time.time() + 0.001:
            await self.happened(order_id, "deadline")


async def manage(database, bus, *, deadline=600.0, retry=30.0):
    await Manager(database, bus, deadline, retry).run()
