"""Nobody stops the timer when the payment has come.

mistake: undoes-past-the-pivot
also: timeout-means-failed
fails: test_shipping_may_take_long, test_what_comes_twice_is_done_once,
    test_a_reply_in_time_is_in_time, test_orders_do_not_wait_for_one_another,
    test_killed_anywhere_an_order_ends_well, test_what_is_lost_is_sent_again,
    test_anything_at_any_time, test_each_order_has_a_deadline_of_its_own
"""

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


SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (order_id PRIMARY KEY, data, too_late REAL, back INTEGER);
CREATE TABLE IF NOT EXISTS commands (order_id, type, receiver, next REAL, open INTEGER,
                                     PRIMARY KEY (order_id, type));
"""


async def manage(database, bus, *, deadline=600.0, retry=30.0):
    async with aiosqlite.connect(database) as db:
        await db.executescript(SCHEMA)
        manager = Manager(db, bus, deadline, retry)
        async with asyncio.TaskGroup() as group:
            group.create_task(manager.hear())
            group.create_task(manager.tick())


class Manager:
    def __init__(self, db, bus, deadline, retry):
        self.db, self.bus, self.deadline, self.retry = db, bus, deadline, retry
        self.lock = asyncio.Lock()  # one connection, one transaction

    async def hear(self):
        while True:
            message = await self.bus.receive()
            async with self.lock:
                await self.on(message)
                await self.db.commit()
            await self.bus.acknowledge(message)

    async def on(self, message):
        order_id = message.order_id
        if message.type == "OrderPlaced":
            new = await self.db.execute(
                "INSERT OR IGNORE INTO orders VALUES (?, ?, NULL, 0)",
                (order_id, json.dumps(message.data)),
            )
            if new.rowcount:
                await self.command(order_id, "ReserveStock", "inventory")
            return
        _, _, type_ = message.reply_to.partition(" ")
        closed = await self.db.execute(
            "UPDATE commands SET open = 0 WHERE order_id = ? AND type = ? AND open",
            (order_id, type_),
        )
        if closed.rowcount:
            await self.go_on(order_id, message.type)

    async def go_on(self, order_id, reply):
        (back,) = next(
            iter(
                await self.db.execute_fetchall(
                    "SELECT back FROM orders WHERE order_id = ?", (order_id,)
                )
            )
        )
        match reply:
            case "StockReserved":
                await self.db.execute(
                    "UPDATE orders SET too_late = ? WHERE order_id = ?",
                    (time.time() + self.deadline, order_id),
                )
                await self.command(order_id, "TakePayment", "payment")
            case "PaymentTaken" if not back:
                await self.command(order_id, "ShipOrder", "shipping")
            case "OrderShipped":
                await self.command(order_id, "ConfirmDelivery", "shipping")
            case "OrderDelivered":
                await self.command(order_id, "OrderDelivered", "shop")
            case "PaymentTaken" | "ShipmentRefused":
                await self.command(order_id, "RefundPayment", "payment")
            case "PaymentDeclined" | "PaymentRefunded":
                await self.db.execute(
                    "UPDATE orders SET too_late = NULL WHERE order_id = ?", (order_id,)
                )
                await self.command(order_id, "ReleaseStock", "inventory")
            case "StockRefused" | "StockReleased":
                await self.command(order_id, "OrderCancelled", "shop")

    async def turn_back(self, order_id):
        await self.db.execute("UPDATE orders SET back = 1 WHERE order_id = ?", (order_id,))
        paid = await self.db.execute_fetchall(
            "SELECT 1 FROM commands WHERE order_id = ? AND type = 'TakePayment' AND NOT open",
            (order_id,),
        )
        if paid:
            await self.command(order_id, "RefundPayment", "payment")

    async def command(self, order_id, type_, receiver):
        await self.db.execute(
            "INSERT INTO commands VALUES (?, ?, ?, ?, 1)",
            (order_id, type_, receiver, time.time()),
        )

    async def tick(self):
        while True:
            async with self.lock:
                late = await self.db.execute_fetchall(
                    "SELECT order_id FROM orders WHERE too_late <= ? AND NOT back", (time.time(),)
                )
                for (order_id,) in late:
                    await self.turn_back(order_id)
                await self.db.commit()
                due = await self.db.execute_fetchall(
                    "SELECT order_id, type, receiver, data FROM commands JOIN orders "
                    "USING (order_id) WHERE open AND next <= ?",
                    (time.time(),),
                )
                for order_id, type_, receiver, data in due:
                    await self.bus.send(
                        receiver,
                        Message(f"{order_id} {type_}", type_, order_id, json.loads(data)),
                    )
                    await self.db.execute(
                        "UPDATE commands SET next = ?, open = ? WHERE order_id = ? AND type = ?",
                        (time.time() + self.retry, receiver != "shop", order_id, type_),
                    )
                    await self.db.commit()
            await asyncio.sleep(1)
