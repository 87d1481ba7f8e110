"""A task group that lives as long as the block; a queue for each order; a new channel each time."""

import asyncio
import json
import time
from collections import defaultdict, deque
from dataclasses import dataclass

import aio_pika
import aiosqlite


class OrderExists(Exception):
    pass


class CannotCancel(Exception):
    pass


class TheEnd(Exception):
    pass


@dataclass
class Letter:
    id: int
    message_id: str
    order_id: str
    type: str
    data: str

    def message(self):
        return aio_pika.Message(
            self.data.encode(),
            content_type="application/json",
            message_id=self.message_id,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            timestamp=time.time(),
        )


INSERT = "INSERT INTO outbox (message_id, order_id, type, data) VALUES (?, ?, ?, ?)"


class Shop:
    def __init__(self, database, url):
        self.database = str(database)
        self.url = url
        self.over = asyncio.Event()

    async def __aenter__(self):
        ready = asyncio.get_running_loop().create_future()
        self.life = asyncio.create_task(self.live(ready))
        await ready
        return self

    async def __aexit__(self, *_):
        self.over.set()
        await self.life

    async def live(self, ready):
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.relay())
                ready.set_result(None)
                await self.over.wait()
                raise TheEnd
        except* TheEnd:
            pass

    async def place_order(self, order_id, customer, total):
        order = {"order_id": order_id, "customer": customer, "total": total}
        sql = "INSERT OR IGNORE INTO orders VALUES (:order_id, :customer, :total, 'placed')"
        await self.change(sql, order, "OrderPlaced", order, OrderExists)

    async def cancel_order(self, order_id, reason):
        sql = (
            "UPDATE orders SET status = 'cancelled' "
            "WHERE order_id = :order_id AND status != 'cancelled'"
        )
        data = {"order_id": order_id, "reason": reason}
        await self.change(sql, {"order_id": order_id}, "OrderCancelled", data, CannotCancel)

    async def change(self, sql, values, kind, data, error):
        order_id = data["order_id"]
        # Nobody else has this id: an order is placed once, and cancelled once.
        letter = (f"{order_id}/{kind}", order_id, kind, json.dumps(data))
        async with aiosqlite.connect(self.database) as db:
            if not (await db.execute(sql, values)).rowcount:
                raise error(order_id)
            await db.execute(INSERT, letter)
            await db.commit()

    async def relay(self):
        while True:
            try:
                async with asyncio.timeout(3):
                    connection = await aio_pika.connect(self.url)
            except (TimeoutError, OSError):
                await asyncio.sleep(0.5)
                continue
            async with connection:
                try:
                    while True:
                        await self.round(connection)
                        await asyncio.sleep(1)
                except (OSError, aio_pika.exceptions.AMQPError, RuntimeError):
                    await asyncio.sleep(0.5)

    async def round(self, connection):
        orders = defaultdict(deque)
        async with (
            aiosqlite.connect(self.database) as db,
            db.execute(
                "SELECT id, message_id, order_id, type, data FROM outbox WHERE sent = 0 ORDER BY id"
            ) as cursor,
        ):
            async for row in cursor:
                orders[row[2]].append(Letter(*row))
        if not orders:
            return
        channel = await connection.channel(on_return_raises=True)
        exchange = await channel.get_exchange("orders")
        tasks = [asyncio.create_task(self.deliver(exchange, each)) for each in orders.values()]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await channel.close()

    async def deliver(self, exchange, letters):
        while letters:
            try:
                await exchange.publish(letters[0].message(), letters[0].type)
            except aio_pika.exceptions.DeliveryError:
                return
            async with aiosqlite.connect(self.database) as db:
                await db.execute("UPDATE outbox SET sent = 1 WHERE id = ?", (letters[0].id,))
                await db.commit()
            letters.popleft()
