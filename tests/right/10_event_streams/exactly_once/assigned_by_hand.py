"""ON CONFLICT and RETURNING; the partitions are assigned by hand, from where the group is."""

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
    async with aiosqlite.connect(database, timeout=60) as db:
        async with db.execute(
            "INSERT INTO applied VALUES (:id) ON CONFLICT DO NOTHING RETURNING payment_id",
            {"id": payment.payment_id},
        ) as cursor:
            if await cursor.fetchone() is None:
                await db.rollback()
                return False
        rows = await db.execute_fetchall(
            "UPDATE accounts SET cents = cents + ? WHERE name = ? RETURNING cents",
            (payment.cents, payment.account),
        )
        if not list(rows):
            await db.rollback()
            raise UnknownAccount(payment.account)
        await db.execute_insert(
            "INSERT INTO entries VALUES (?, ?, ?)",
            (payment.payment_id, payment.account, payment.cents),
        )
        await db.commit()
    return True


async def transform(config, convert, stop, *, source, target, group, transactional_id):
    producer = AIOProducer({**config, "transactional.id": transactional_id})
    consumer = AIOConsumer(
        {
            **config,
            "group.id": group,
            "enable.auto.commit": "false",
            "auto.offset.reset": "smallest",
        }
    )
    try:
        await producer.init_transactions()
        topics = (await consumer.list_topics(source)).topics
        places = [TopicPartition(source, p) for p in topics[source].partitions]
        places = await consumer.committed(places)
        for place in places:
            if place.offset < 0:
                place.offset = 0
        await consumer.assign(places)
        while not stop.is_set():
            message = await consumer.poll(timeout=0.2)
            if message is None or message.error() or stop.is_set():
                continue
            await producer.begin_transaction()
            try:
                values = await convert(message.value())
            except BaseException:
                await producer.abort_transaction()
                raise
            sends = [
                await producer.produce(topic=target, value=v, key=message.key()) for v in values
            ]
            await producer.flush()
            await asyncio.gather(*sends)
            await producer.send_offsets_to_transaction(
                [TopicPartition(source, message.partition(), message.offset() + 1)],
                await consumer.consumer_group_metadata(),
            )
            await producer.commit_transaction()
    finally:
        await consumer.unassign()
        await consumer.close()
        await producer.close()
