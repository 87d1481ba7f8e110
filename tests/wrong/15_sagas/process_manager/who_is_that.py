"""Forgets an order when it has ended, and trips over a reply that comes after that.

mistake: chokes-on-late-reply
fails: test_what_comes_twice_is_done_once, test_unknown_is_not_failed,
    test_the_deadline_survives_a_restart, test_a_reply_in_time_is_in_time,
    test_shipping_may_take_long, test_killed_anywhere_an_order_ends_well,
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


AGENT = {"Stock": "inventory", "Payment": "payment", "Order": "shipping", "Delivery": "shipping"}


async def manage(database, bus, *, deadline=600.0, retry=30.0):
    async with (
        aiosqlite.connect(database, isolation_level=None) as db,
        asyncio.TaskGroup() as tasks,
    ):
        await db.execute("CREATE TABLE IF NOT EXISTS placed (order_id PRIMARY KEY, data, ended)")
        await db.execute(
            "CREATE TABLE IF NOT EXISTS journal (id PRIMARY KEY, since REAL, answer TEXT)"
        )
        orders = {}

        def begin(order_id, data):
            orders[order_id] = order = Order(db, bus, order_id, data, deadline, retry)
            task = tasks.create_task(order.run())
            task.add_done_callback(lambda _: orders.pop(order_id))

        for order_id, data in await db.execute_fetchall(
            "SELECT order_id, data FROM placed WHERE NOT ended"
        ):
            begin(order_id, json.loads(data))
        while True:
            message = await bus.receive()
            if message.type == "OrderPlaced":
                new = await db.execute(
                    "INSERT OR IGNORE INTO placed VALUES (?, ?, 0)",
                    (message.order_id, json.dumps(message.data)),
                )
                await bus.acknowledge(message)
                if new.rowcount:
                    begin(message.order_id, message.data)
            else:
                orders[message.order_id].replies.put_nowait(message)


class Order:
    def __init__(self, db, bus, order_id, data, deadline, retry):
        self.db, self.bus, self.id, self.data = db, bus, order_id, data
        self.deadline, self.retry = deadline, retry
        self.replies = asyncio.Queue()

    async def run(self):
        end = await self.story()
        await self.bus.send("shop", Message(f"{self.id} end", end, self.id))
        await self.db.execute("UPDATE placed SET ended = 1 WHERE order_id = ?", (self.id,))
        while not self.replies.empty():
            await self.bus.acknowledge(self.replies.get_nowait())

    async def story(self):
        if await self.ask("ReserveStock") == "StockRefused":
            return "OrderCancelled"
        paid = await self.ask("TakePayment", self.deadline)
        if paid == "silence":
            paid = await self.ask("CancelPayment")
            shipped = "never"
        elif paid == "PaymentTaken":
            shipped = await self.ask("ShipOrder")
            if shipped == "OrderShipped":
                return await self.ask("ConfirmDelivery")
        if paid == "PaymentTaken":
            await self.ask("RefundPayment")
        await self.ask("ReleaseStock")
        return "OrderCancelled"

    async def ask(self, command, within=None):
        key = f"{self.id}:{command}"
        await self.db.execute(
            "INSERT OR IGNORE INTO journal VALUES (?, ?, NULL)", (key, time.time())
        )
        rows = await self.db.execute_fetchall(
            "SELECT since, answer FROM journal WHERE id = ?", (key,)
        )
        since, answer = next(iter(rows))
        to = next(agent for ending, agent in AGENT.items() if command.endswith(ending))
        left = since + within - time.time() if within else self.retry
        while answer is None and (within is None or left > 0):
            await self.bus.send(to, Message(key, command, self.id, self.data))
            answer = await self.reply_to(key, min(self.retry, left) if within else self.retry)
            left = since + within - time.time() if within else self.retry
        if answer is None:
            answer = "silence"
            await self.remember(key, answer)
        return answer

    async def reply_to(self, key, seconds):
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await self.replies.get()
                    if message.reply_to == key:
                        break
                    await self.bus.acknowledge(message)
        except TimeoutError:
            return None
        await self.remember(key, message.type)
        await self.bus.acknowledge(message)
        return message.type

    async def remember(self, key, answer):
        await self.db.execute("UPDATE journal SET answer = ? WHERE id = ?", (answer, key))
