"""A transaction for what it sends, and the offsets are committed by the consumer.

mistake: dual-write
fails: test_killed_anywhere_each_is_sent_once, test_it_commits_in_time
"""

import asyncio
from dataclasses import dataclass

import aiosqlite
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition


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
    db = await aiosqlite.connect(database, isolation_level=None)
    try:
        await db.execute("BEGIN IMMEDIATE")
        known = await db.execute_fetchall(
            "SELECT 1 FROM applied WHERE payment_id = ?", (payment.payment_id,)
        )
        if known:
            await db.execute("ROLLBACK")
            return False
        changed = await db.execute(
            "UPDATE accounts SET cents = cents + ? WHERE name = ?", (payment.cents, payment.account)
        )
        if changed.rowcount == 0:
            await db.execute("ROLLBACK")
            raise UnknownAccount(payment.account)
        await db.execute(
            "INSERT INTO entries VALUES (?, ?, ?)",
            (payment.payment_id, payment.account, payment.cents),
        )
        await db.execute("INSERT INTO applied VALUES (?)", (payment.payment_id,))
        await db.execute("COMMIT")
        return True
    finally:
        await db.close()


def run(config, convert, stop, loop, source, target, group, name):
    """On a thread of its own: the plain clients block as they like."""
    producer = Producer({**config, "transactional.id": name})
    producer.init_transactions(30)
    consumer = Consumer(
        {
            **config,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([source])
    try:
        while not stop.is_set():
            messages = [m for m in consumer.consume(50, 0.05) if not m.error()]
            if not messages:
                continue
            producer.begin_transaction()
            try:
                reached = {}
                for message in messages:
                    if stop.is_set():
                        break
                    made = asyncio.run_coroutine_threadsafe(convert(message.value()), loop).result()
                    for value in made:
                        producer.produce(target, value, message.key())
                    reached[message.partition()] = message.offset() + 1
                producer.commit_transaction()
                consumer.commit(
                    offsets=[TopicPartition(source, *place) for place in reached.items()],
                    asynchronous=False,
                )
            except KafkaException as error:
                if not error.args[0].fatal():
                    producer.abort_transaction()
                raise
            except Exception:
                producer.abort_transaction()
                raise
    finally:
        consumer.close()


async def transform(config, convert, stop, *, source, target, group, transactional_id):
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(
        run, config, convert, stop, loop, source, target, group, transactional_id
    )
