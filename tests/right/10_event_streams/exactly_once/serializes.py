"""Looks, writes, and begins again if somebody else was faster; the clients that (de)serialize."""

import asyncio
import functools
import logging
import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import aiosqlite
from confluent_kafka import DeserializingConsumer as Consumer
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka import SerializingProducer as Producer


@dataclass(frozen=True)
class Payment:
    payment_id: str
    account: str
    cents: int
    partition: int
    offset: int


class UnknownAccount(Exception):
    pass


log = logging.getLogger(__name__)


async def apply_once(database, payment):
    for attempt in range(200):
        try:
            return await _try(database, payment)
        except sqlite3.IntegrityError:
            return False
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) and "busy" not in str(error):
                raise
            log.info("attempt %d: %s", attempt, error)
            await asyncio.sleep(random.uniform(0.001, 0.05))
    raise TimeoutError("the database is locked all the time")


async def _try(database, payment):
    db = await aiosqlite.connect(database, timeout=0.5, isolation_level=None)
    try:
        await db.execute("BEGIN")
        found = await (
            await db.execute(
                "SELECT count(*) FROM applied WHERE payment_id = ?", [payment.payment_id]
            )
        ).fetchone()
        if found[0]:
            return False
        there = await (
            await db.execute("SELECT cents FROM accounts WHERE name = ?", [payment.account])
        ).fetchone()
        if there is None:
            raise UnknownAccount(payment.account)
        await db.executemany("INSERT INTO applied VALUES (?)", [[payment.payment_id]])
        await db.execute(
            "INSERT INTO entries VALUES (?, ?, ?)",
            [payment.payment_id, payment.account, payment.cents],
        )
        await db.execute(
            "UPDATE accounts SET cents = ? WHERE name = ?",
            [there[0] + payment.cents, payment.account],
        )
        await db.execute("COMMIT")
        return True
    finally:
        await db.close()


async def transform(config, convert, stop, *, source, target, group, transactional_id):
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:

        def run(function, *args, **kwargs):
            return loop.run_in_executor(pool, functools.partial(function, *args, **kwargs))

        producer = Producer(
            dict(
                config,
                **{
                    "transactional.id": transactional_id,
                    "linger.ms": 0,
                    "value.serializer": lambda v, c: v,
                },
            )
        )
        consumer = Consumer(
            dict(
                config,
                **{
                    "group.id": group,
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "auto.offset.reset": "beginning",
                    "isolation.level": "read_committed",
                },
            )
        )
        opened = False
        try:
            await run(producer.init_transactions, 60)
            await run(consumer.subscribe, [source])
            count, began, last = 0, 0.0, {}
            while True:
                message = None if stop.is_set() else await run(consumer.poll, 0.05)
                if message is not None and message.error() is not None:
                    log.warning("%s", message.error())
                    message = None
                if message is not None and not stop.is_set():
                    if not opened:
                        await run(producer.begin_transaction)
                        opened, began, count = True, loop.time(), 0
                    for value in await convert(message.value()):
                        producer.produce(
                            target,
                            value=value,
                            key=message.key(),
                            on_delivery=lambda e, m: e and log.error("%s", e),
                        )
                        producer.poll(0)
                    last[message.topic(), message.partition()] = message.offset() + 1
                    count += 1
                if opened and (
                    stop.is_set() or message is None or count >= 100 or loop.time() - began > 2
                ):
                    await run(producer.flush)
                    metadata = await run(consumer.consumer_group_metadata)
                    await run(
                        producer.send_offsets_to_transaction,
                        [TopicPartition(t, p, o) for (t, p), o in last.items()],
                        metadata,
                        30,
                    )
                    await run(producer.commit_transaction, 30)
                    opened = False
                    last.clear()
                if stop.is_set() and not opened:
                    return
        except KafkaException:
            raise
        except BaseException:
            if opened:
                await run(producer.abort_transaction, 30)
            raise
        finally:
            await run(consumer.close)
