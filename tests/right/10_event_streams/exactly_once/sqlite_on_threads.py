"""sqlite3 on a thread; batches are converted side by side, and sent in their order."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass

from confluent_kafka import Consumer, Producer, TopicPartition


@dataclass(frozen=True)
class Payment:
    payment_id: str
    account: str
    cents: int
    partition: int
    offset: int


class UnknownAccount(Exception):
    pass


def _book(database, p):
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        try:
            if db.execute("SELECT 1 FROM applied WHERE payment_id = ?", (p.payment_id,)).fetchone():
                return False
            if not db.execute("SELECT 1 FROM accounts WHERE name = ?", (p.account,)).fetchone():
                raise UnknownAccount(p.account)
            db.execute("INSERT INTO applied (payment_id) VALUES (?)", (p.payment_id,))
            db.execute("INSERT INTO entries VALUES (?, ?, ?)", (p.payment_id, p.account, p.cents))
            db.execute("UPDATE accounts SET cents = cents + ? WHERE name = ?", (p.cents, p.account))
            db.execute("COMMIT")
            return True
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")


async def apply_once(database, payment):
    return await asyncio.to_thread(_book, database, payment)


async def transform(config, convert, stop, *, source, target, group, transactional_id):
    consumer = Consumer(
        {
            **config,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    producer = Producer(
        {**config, "transactional.id": transactional_id, "transaction.timeout.ms": 20000}
    )
    call = asyncio.to_thread
    try:
        await call(producer.init_transactions)
        consumer.subscribe([source])
        while not stop.is_set():
            batch = [m for m in await call(consumer.consume, 50, 0.1) if m.error() is None]
            if not batch or stop.is_set():
                continue
            producer.begin_transaction()
            try:
                async with asyncio.TaskGroup() as group_:
                    made = [group_.create_task(convert(m.value())) for m in batch]
                for m, task in zip(batch, made, strict=False):
                    for value in task.result():
                        producer.produce(target, value, m.key())
                ends = {}
                for m in batch:
                    ends[m.partition()] = m.offset() + 1
                places = [TopicPartition(source, p, o) for p, o in ends.items()]
                await call(
                    producer.send_offsets_to_transaction, places, consumer.consumer_group_metadata()
                )
                await call(producer.commit_transaction)
            except ExceptionGroup as g:
                await call(producer.abort_transaction)
                raise g.exceptions[0] from None
    finally:
        await call(consumer.close)
