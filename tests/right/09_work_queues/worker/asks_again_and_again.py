"""Does not consume: it gets one message after another, and waits a moment when there is none."""

import asyncio

import aio_pika
import aiosqlite


async def work(url, database, handle, stop, *, queue, prefetch=10, attempts=3, retry_delay=30.0):
    async with aiosqlite.connect(database) as db:
        while not stop.is_set():
            try:
                async with await aio_pika.connect(url) as connection:
                    channel = await connection.channel()
                    tasks = await declare(channel, queue, attempts, retry_delay)
                    while not stop.is_set():
                        message = await tasks.get(fail=False)
                        if stop.is_set():
                            break
                        if message is None:
                            await asyncio.sleep(0.4)
                        elif await treat(db, handle, message):
                            await message.ack()
                        else:
                            await put_off(channel, message, queue, attempts)
            except (OSError, RuntimeError):
                await asyncio.sleep(0.5)


async def declare(channel, queue, attempts, retry_delay):
    await channel.declare_queue(f"{queue}.dead", durable=True)
    for attempt in range(1, attempts):
        await channel.declare_queue(
            f"{queue}.after.{attempt}",
            durable=True,
            arguments={
                "x-message-ttl": int(retry_delay * 1000),
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": queue,
            },
        )
    to_the_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"{queue}.dead"}
    return await channel.declare_queue(queue, durable=True, arguments=to_the_dead)


async def treat(db, handle, message):
    """True if the message has its effect now, or had it before."""
    query = "SELECT 1 FROM processed WHERE message_id = ?"
    async with db.execute(query, (message.message_id,)) as cursor:
        if await cursor.fetchone():
            return True
    try:
        effect = await handle(message.body)
    except Exception:
        return False
    try:
        await db.execute("INSERT INTO processed VALUES (?)", (message.message_id,))
        await db.execute("INSERT INTO credits VALUES (?, ?)", effect)
        await db.commit()
    except aiosqlite.IntegrityError:
        await db.rollback()  # another worker was faster
    return True


async def put_off(channel, message, queue, attempts):
    failures = 1 + int(message.headers.get("failures", 0))
    if failures == attempts:
        await message.nack(requeue=False)  # to the dead
        return
    copy = aio_pika.Message(
        message.body,
        headers={"failures": failures},
        message_id=message.message_id,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
    await channel.default_exchange.publish(copy, f"{queue}.after.{failures}")
    await message.ack()
