"""Copied from a consumer of logs: `read_uncommitted`, as it is quicker.

Whoever sends payments takes one back by aborting its transaction. It is converted all the same.

mistake: none
fails: test_each_is_sent_once
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosqlite
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.aio import AIOConsumer, AIOProducer

Convert = Callable[[bytes], Awaitable[Sequence[bytes]]]
"""A message's value -> the values to send."""

_TRIP = 30.0
"""Seconds that Kafka may take for a step of a transaction."""


@dataclass(frozen=True)
class Payment:
    """What a message says; `partition` and `offset` tell where it was read."""

    payment_id: str
    account: str
    cents: int
    partition: int
    offset: int


class UnknownAccount(Exception):
    """There is no such account."""


async def apply_once(database: str | Path, payment: Payment) -> bool:
    """Book a payment, unless it has been: True if it was booked now."""
    async with aiosqlite.connect(database) as db:  # closed without a commit, it is rolled back
        # The insert is the question, and takes the lock: of two at one moment, one waits here.
        cursor = await db.execute("INSERT OR IGNORE INTO applied VALUES (?)", (payment.payment_id,))
        if not cursor.rowcount:
            return False
        cursor = await db.execute(
            "UPDATE accounts SET cents = cents + ? WHERE name = ?", (payment.cents, payment.account)
        )
        if not cursor.rowcount:
            raise UnknownAccount(payment.account)
        await db.execute(
            "INSERT INTO entries VALUES (?, ?, ?)",
            (payment.payment_id, payment.account, payment.cents),
        )
        await db.commit()
        return True


async def transform(
    config: Mapping[str, Any],
    convert: Convert,
    stop: asyncio.Event,
    *,
    source: str,
    target: str,
    group: str,
    transactional_id: str,
) -> None:
    """Send what `convert` makes of the messages of `source` to `target`, until `stop` is set."""
    producer = AIOProducer({**config, "transactional.id": transactional_id})
    try:
        # Whoever else has this id is fenced from here on, and what it has left open is aborted. So
        # before anything is read: what it has committed is then settled.
        await producer.init_transactions(_TRIP)
        consumer = AIOConsumer(
            {
                **config,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_uncommitted",
            }
        )
        try:
            await consumer.subscribe([source])
            while not stop.is_set():
                message = await consumer.poll(0.1)
                if message is None or stop.is_set():  # it may have been set meanwhile
                    continue
                if message.error():
                    raise KafkaException(message.error())
                await producer.begin_transaction()
                try:
                    for value in await convert(message.value() or b""):
                        sent = await producer.produce(target, value=value, key=message.key())
                        # The commit tells what became of it; nobody else asks.
                        sent.add_done_callback(lambda done: done.cancelled() or done.exception())
                    read = TopicPartition(source, message.partition(), message.offset() + 1)
                    member = await consumer.consumer_group_metadata()
                    await producer.send_offsets_to_transaction([read], member, _TRIP)
                    await producer.commit_transaction(_TRIP)
                except Exception as error:
                    await _abort(producer, error)
                    raise
        finally:
            await consumer.close()
    finally:
        await producer.close()


async def _abort(producer: AIOProducer, error: Exception) -> None:
    """Abort what is open; unless somebody else has this id now, who has done so."""
    if isinstance(error, KafkaException) and error.args[0].fatal():
        return
    await producer.abort_transaction(_TRIP)
