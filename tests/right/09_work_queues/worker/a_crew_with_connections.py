"""A crew of tasks, each with a connection to the database, fed by an iterator over the queue."""

import asyncio
from contextlib import suppress

import aio_pika
import aiosqlite
from aio_pika import DeliveryMode, Message
from aio_pika.exceptions import ChannelInvalidStateError

GONE = (ConnectionError, ChannelInvalidStateError)


class Crew:
    def __init__(self, url, database, handle, stop, queue, prefetch, attempts, retry_delay):
        self.url, self.database, self.handle, self.stop = url, database, handle, stop
        self.queue, self.prefetch, self.attempts = queue, prefetch, attempts
        self.delay = round(1000 * retry_delay)
        self.inbox = asyncio.Queue()

    async def run(self):
        size = min(self.prefetch, 3)
        connection = await aio_pika.connect_robust(self.url, fail_fast=False, reconnect_interval=2)
        async with connection:
            self.channel, tasks = await self.set_up(connection)
            async with asyncio.TaskGroup() as group:
                for _ in range(size):
                    group.create_task(self.member())
                await tasks.consume(self.inbox.put)
                await self.stop.wait()
                for _ in range(size):
                    self.inbox.put_nowait(None)

    async def set_up(self, connection):
        while True:
            try:
                channel = await connection.channel()
                await channel.set_qos(self.prefetch)
                exchange = await channel.declare_exchange(f"{self.queue}.x", "direct", durable=True)
                back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": self.queue}
                later = await channel.declare_queue(
                    f"{self.queue}.later",
                    durable=True,
                    arguments={"x-message-ttl": self.delay, **back},
                )
                await later.bind(exchange, "later")
                dead = await channel.declare_queue(f"{self.queue}.dead", durable=True)
                await dead.bind(exchange, "dead")
                arguments = {
                    "x-dead-letter-exchange": exchange.name,
                    "x-dead-letter-routing-key": "later",
                }
                self.exchange = exchange
                return channel, await channel.declare_queue(
                    self.queue, durable=True, arguments=arguments
                )
            except GONE:
                await asyncio.sleep(1)

    async def member(self):
        async with aiosqlite.connect(self.database, isolation_level=None) as db:
            while True:
                message = await self.inbox.get()
                if message is None or self.stop.is_set():
                    return
                with suppress(*GONE):
                    try:
                        await self.treat(db, message)
                    except Exception as error:
                        if isinstance(error, GONE):
                            raise
                        await self.fail(message)
                    else:
                        await message.ack()

    async def treat(self, db, message):
        customer, points = await self.handle(message.body)
        await db.execute("BEGIN IMMEDIATE")
        try:
            seen = await db.execute_fetchall(
                "SELECT 1 FROM processed WHERE message_id = ?", (message.message_id,)
            )
            if not seen:
                await db.execute("INSERT INTO credits VALUES (?, ?)", (customer, points))
                await db.execute("INSERT INTO processed VALUES (?)", (message.message_id,))
        except BaseException:
            await db.execute("ROLLBACK")
            raise
        await db.execute("COMMIT")

    async def fail(self, message):
        deaths = [d for d in message.headers.get("x-death", []) if d["queue"] == self.queue]
        if sum(death["count"] for death in deaths) + 1 < self.attempts:
            await message.reject(requeue=False)
            return
        copy = Message(
            message.body, message_id=message.message_id, delivery_mode=DeliveryMode.PERSISTENT
        )
        await self.exchange.publish(copy, "dead")
        await message.ack()


async def work(url, database, handle, stop, *, queue, prefetch=10, attempts=3, retry_delay=30.0):
    await Crew(url, database, handle, stop, queue, prefetch, attempts, retry_delay).run()
