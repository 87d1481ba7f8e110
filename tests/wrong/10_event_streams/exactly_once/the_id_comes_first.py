"""Claims the id, commits, and then books.

Killed in between, it never books.

mistake: id-without-effect
fails: test_killed_anywhere_it_is_booked_once, test_without_an_account_nothing_is_written,
    test_cancelled_anywhere_it_is_booked_once
"""

import asyncio
from dataclasses import dataclass

import aiosqlite
from confluent_kafka import TopicPartition
from confluent_kafka.aio import AIOConsumer, AIOProducer


@dataclass(frozen=True)
class Payment:
    payment_id: str
    account: str
    cents: int
    partition: int
    offset: int


class UnknownAccount(Exception):
    pass


async def apply_once(database, payment):
    async with aiosqlite.connect(database) as db:
        try:
            await db.execute("INSERT INTO applied (payment_id) VALUES (?)", [payment.payment_id])
        except aiosqlite.IntegrityError:
            return False
        await db.commit()
        rows = await db.execute_fetchall(
            "UPDATE accounts SET cents = cents + ? WHERE name = ? RETURNING name",
            [payment.cents, payment.account],
        )
        if not list(rows):
            await db.rollback()
            raise UnknownAccount(f"there is no account of {payment.account}")
        await db.execute(
            "INSERT INTO entries (payment_id, account, cents) VALUES (?, ?, ?)",
            [payment.payment_id, payment.account, payment.cents],
        )
        await db.commit()
    return True


async def transform(config, convert, stop, *, source, target, group, transactional_id):
    producer = AIOProducer({**config, "transactional.id": transactional_id})
    consumer = AIOConsumer(
        dict(config)
        | {
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    async with producer, consumer:
        await producer.init_transactions()
        await consumer.subscribe([source])
        while not stop.is_set():
            message = await consumer.poll(0.05)
            if message is None or message.error():
                continue
            values = await convert(message.value())
            await producer.begin_transaction()
            sent = [await producer.produce(target, value, message.key()) for value in values]
            position = TopicPartition(source, message.partition(), message.offset() + 1)
            members = await consumer.consumer_group_metadata()
            await producer.send_offsets_to_transaction([position], members)
            try:
                await producer.commit_transaction()
            finally:
                await asyncio.gather(*sent, return_exceptions=True)
