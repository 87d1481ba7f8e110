"""A robust connection, and the next message of every order at once; one connection for commands."""

import asyncio
import json
from uuid import uuid4

import aio_pika
import aiosqlite
from aio_pika import DeliveryMode, Message
from aio_pika.exceptions import ChannelInvalidStateError, DeliveryError


class OrderExists(Exception):
    pass


class CannotCancel(Exception):
    pass


class Shop:
    def __init__(self, database, url):
        self.database = database
        self.url = url
        self.turn = asyncio.Lock()

    async def __aenter__(self):
        self.db = await aiosqlite.connect(self.database, isolation_level=None)
        self.relay = asyncio.create_task(self.work())
        return self

    async def __aexit__(self, *_):
        self.relay.cancel()
        await asyncio.gather(self.relay, return_exceptions=True)
        await self.db.close()

    async def place_order(self, order_id, customer, total):
        async def change():
            made = await self.db.execute(
                "INSERT OR IGNORE INTO orders VALUES (?, ?, ?, 'placed')",
                (order_id, customer, total),
            )
            if made.rowcount == 0:
                raise OrderExists(order_id)

        data = {"order_id": order_id, "customer": customer, "total": total}
        await self.command(change, "OrderPlaced", data)

    async def cancel_order(self, order_id, reason):
        async def change():
            rows = await self.db.execute_fetchall(
                "SELECT status FROM orders WHERE order_id = ?", (order_id,)
            )
            if list(rows) != [("placed",)]:
                raise CannotCancel(order_id)
            await self.db.execute(
                "UPDATE orders SET status = 'cancelled' WHERE order_id = ?", (order_id,)
            )

        await self.command(change, "OrderCancelled", {"order_id": order_id, "reason": reason})

    async def command(self, change, kind, data):
        async with self.turn:
            try:
                await self.db.execute("BEGIN IMMEDIATE")
                await change()
                await self.db.execute(
                    "INSERT INTO outbox (message_id, order_id, type, data) VALUES (?, ?, ?, ?)",
                    (str(uuid4()), data["order_id"], kind, json.dumps(data)),
                )
                await self.db.execute("COMMIT")
            finally:
                await asyncio.shield(asyncio.ensure_future(self.db.rollback()))

    async def work(self):
        connection = await aio_pika.connect_robust(
            self.url, reconnect_interval=0.5, fail_fast=False
        )
        async with connection, aiosqlite.connect(self.database) as db:
            exchange = None
            while True:
                try:
                    if exchange is None:
                        channel = await connection.channel(on_return_raises=True)
                        exchange = await channel.get_exchange("orders", ensure=False)
                    await channel.ready()
                    moved = await self.heads(db, exchange)
                except (ConnectionError, ChannelInvalidStateError):
                    moved = False
                if not moved:
                    await asyncio.sleep(0.5)

    async def heads(self, db, exchange):
        """The first message of each order that has one; True if any of them was taken."""
        rows = await db.execute_fetchall(
            "SELECT min(id), message_id, type, data FROM outbox WHERE sent = 0 GROUP BY order_id"
        )

        async def send(number, message_id, kind, data):
            message = Message(
                data.encode(), message_id=message_id, delivery_mode=DeliveryMode.PERSISTENT
            )
            try:
                await exchange.publish(message, kind)
            except DeliveryError:
                return None
            return number

        outcomes = await asyncio.gather(*(send(*row) for row in rows), return_exceptions=True)
        sent = [(number,) for number in outcomes if isinstance(number, int)]
        await db.executemany("UPDATE outbox SET sent = 1 WHERE id = ?", sent)
        await db.commit()
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return bool(sent)
