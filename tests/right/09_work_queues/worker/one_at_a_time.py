"""One message after another, on plain connections; failures are copied to a queue that waits."""

import asyncio
import contextlib

import aio_pika
import aiosqlite
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError


async def work(url, database, handle, stop, *, queue, prefetch=10, attempts=3, retry_delay=30.0):
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            try:
                async with (
                    await aio_pika.connect(url) as connection,
                    aiosqlite.connect(database) as db,
                ):
                    channel = await connection.channel()
                    await channel.set_qos(prefetch_count=min(prefetch, 2))
                    later = f"{queue}.later"
                    await channel.declare_queue(
                        later,
                        durable=True,
                        arguments={
                            "x-dead-letter-exchange": "",
                            "x-dead-letter-routing-key": queue,
                        },
                    )
                    await channel.declare_queue(f"{queue}.dead", durable=True)
                    tasks = await channel.declare_queue(queue, durable=True)
                    inbox = asyncio.Queue()
                    await tasks.consume(inbox.put)
                    lost = asyncio.ensure_future(channel.closed())
                    try:
                        while not stop.is_set() and not lost.done():
                            getting = asyncio.create_task(inbox.get())
                            await asyncio.wait(
                                {getting, stopping, lost}, return_when=asyncio.FIRST_COMPLETED
                            )
                            if stop.is_set() or not getting.done():
                                getting.cancel()
                                continue
                            message = getting.result()
                            try:
                                customer, points = await handle(message.body)
                            except Exception:
                                await again(channel, message, queue, later, attempts, retry_delay)
                            else:
                                await credit(db, message.message_id, customer, points)
                            await message.ack()
                    finally:
                        lost.cancel()
            except (AMQPError, OSError, ChannelInvalidStateError):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 1)
    finally:
        stopping.cancel()


async def again(channel, message, queue, later, attempts, retry_delay):
    attempt = message.headers.get("attempt", 1)
    copy = aio_pika.Message(
        message.body,
        message_id=message.message_id,
        delivery_mode=2,
        headers={"attempt": attempt + 1},
        expiration=retry_delay if attempt < attempts else None,
    )
    to = later if attempt < attempts else f"{queue}.dead"
    await channel.default_exchange.publish(copy, to)


async def credit(db, message_id, customer, points):
    try:
        await db.execute("INSERT INTO processed VALUES (?)", (message_id,))
        await db.execute("INSERT INTO credits VALUES (?, ?)", (customer, points))
        await db.commit()
    except aiosqlite.IntegrityError:
        pass
    finally:
        await db.rollback()
