"""BEGIN IMMEDIATE, with patience set by a pragma: then it may look, as nobody else writes."""

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
    async with aiosqlite.connect(database, isolation_level=None) as db:
        await db.execute("PRAGMA busy_timeout = 30000")
        await db.execute("BEGIN IMMEDIATE")
        try:
            booked = await book(db, payment)
        except BaseException:
            await db.execute("ROLLBACK")
            raise
        await db.execute("COMMIT")
        return booked


async def book(db, payment):
    known = "SELECT 1 FROM applied WHERE payment_id = ?"
    if await db.execute_fetchall(known, [payment.payment_id]):
        return False
    rows = await db.execute_fetchall("SELECT cents FROM accounts WHERE name = ?", [payment.account])
    if not rows:
        raise UnknownAccount(payment.account)
    await db.execute(
        "UPDATE accounts SET cents = ? WHERE name = ?",
        [rows[0][0] + payment.cents, payment.account],
    )
    row = [payment.payment_id, payment.account, payment.cents]
    await db.execute("INSERT INTO entries VALUES (?, ?, ?)", row)
    await db.execute("INSERT INTO applied VALUES (?)", row[:1])
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
