"""Keeps a transaction open as long as messages come, so that many share it.

At night that is a moment. In the morning it is never quiet: nothing is committed until the broker
has waited long enough, and aborts it.

mistake: none
fails: test_it_commits_in_time
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass

import aiosqlite
from confluent_kafka import KafkaException, TopicPartition
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
    db = await aiosqlite.connect(database, isolation_level="IMMEDIATE")
    try:
        cursor = await db.execute(
            "INSERT INTO applied SELECT ? WHERE NOT EXISTS"
            " (SELECT 1 FROM applied WHERE payment_id = ?)",
            (payment.payment_id, payment.payment_id),
        )
        if cursor.rowcount != 1:
            return False
        await db.execute(
            "INSERT INTO entries SELECT ?, name, ? FROM accounts WHERE name = ?",
            (payment.payment_id, payment.cents, payment.account),
        )
        cursor = await db.execute(
            "UPDATE accounts SET cents = cents + ? WHERE name = ?", (payment.cents, payment.account)
        )
        if cursor.rowcount != 1:
            raise UnknownAccount(payment.account)
        await db.commit()
        return True
    finally:
        await db.close()


async def transform(config, convert, stop, *, source, target, group, transactional_id):
    producer = AIOProducer({**config, "transactional.id": transactional_id})
    await producer.init_transactions()
    consumer = AIOConsumer(
        {
            **config,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    await consumer.subscribe([source])
    loop = asyncio.get_running_loop()
    reached, since = defaultdict(int), None

    async def commit():
        nonlocal since
        if since is None:
            return
        places = [TopicPartition(source, p, offset) for p, offset in reached.items()]
        await producer.send_offsets_to_transaction(places, await consumer.consumer_group_metadata())
        await producer.commit_transaction()
        since = None

    try:
        while not stop.is_set():
            message = await consumer.poll(0.05)
            if message is not None and not message.error():
                if since is None:
                    await producer.begin_transaction()
                    since = loop.time()
                for value in await convert(message.value()):
                    future = await producer.produce(target, value, message.key())
                    future.add_done_callback(lambda f: f.exception())
                reached[message.partition()] = message.offset() + 1
            if since is not None and message is None:
                await commit()
        await commit()
    except KafkaException:
        raise
    except Exception:
        if since is not None:
            await producer.abort_transaction()
        raise
    finally:
        await consumer.close()
        await producer.close()
