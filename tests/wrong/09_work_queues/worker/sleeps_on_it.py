"""Waits for the next attempt itself, in the handler of the message, which it holds meanwhile.

mistake: holds-while-waiting
also: never-stops
fails: test_others_carry_on_while_a_message_waits, test_it_stops_when_there_is_nothing_to_do,
  test_a_message_that_never_succeeds_is_put_aside
"""

import asyncio
from contextlib import suppress

import aio_pika
import aiosqlite
from aio_pika.exceptions import ChannelInvalidStateError

BROKEN = (ConnectionError, ChannelInvalidStateError)


async def work(url, database, handle, stop, *, queue, prefetch=10, attempts=3, retry_delay=30.0):
    worker = Worker(handle, stop, queue, attempts)
    async with aiosqlite.connect(database) as worker.db:
        connection = await aio_pika.connect_robust(url, fail_fast=False, reconnect_interval=1)
        async with connection:
            worker.channel = await connection.channel()
            await worker.channel.set_qos(prefetch_count=prefetch)
            tasks = await worker.declare(retry_delay)
            tag = await tasks.consume(worker.on_message)
            await stop.wait()
            with suppress(*BROKEN):
                await tasks.cancel(tag)
            while worker.busy:
                await asyncio.wait(worker.busy)


class Worker:
    def __init__(self, handle, stop, queue, attempts):
        self.handle, self.stop, self.queue, self.attempts = handle, stop, queue, attempts
        self.lock = asyncio.Lock()
        self.busy = set()

    def delay(self, message):
        last = int(message.headers.get("failures", 0)) + 1 == self.attempts
        return 0 if last else self.retry_delay

    async def declare(self, retry_delay):
        self.retry_delay = retry_delay
        await self.channel.declare_queue(f"{self.queue}.dead", durable=True)
        await self.channel.declare_queue(
            f"{self.queue}.retry",
            durable=True,
            arguments={
                "x-message-ttl": 0,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": self.queue,
            },
        )
        return await self.channel.declare_queue(self.queue, durable=True)

    async def on_message(self, message):
        if self.stop.is_set():
            return
        me = asyncio.current_task()
        self.busy.add(me)
        try:
            with suppress(*BROKEN):
                await self.process(message)
        finally:
            self.busy.discard(me)

    async def process(self, message):
        try:
            customer, points = await self.handle(message.body)
            await self.credit(message.message_id, customer, points)
        except Exception:
            await asyncio.sleep(self.delay(message))
            await self.later(message)
        await message.ack()

    async def later(self, message):
        failures = int(message.headers.get("failures", 0)) + 1
        copy = aio_pika.Message(
            message.body,
            message_id=message.message_id,
            headers={"failures": failures},
            delivery_mode=2,
        )
        to = "retry" if failures < self.attempts else "dead"
        await self.channel.default_exchange.publish(copy, f"{self.queue}.{to}")

    async def credit(self, message_id, customer, points):
        async with self.lock:
            try:
                cursor = await self.db.execute(
                    "INSERT OR IGNORE INTO processed VALUES (?)", (message_id,)
                )
                if cursor.rowcount:
                    await self.db.execute("INSERT INTO credits VALUES (?, ?)", (customer, points))
                await self.db.commit()
            finally:
                await self.db.rollback()
