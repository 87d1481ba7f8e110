"""Have effects happen once, though messages come twice: in a database, and from topic to topic.

Payments of a bank come from a Kafka topic, at least once. A worker is killed between its work and
its commit, and the payment is read again; a partition changes hands, and two workers have it for a
moment; the sender was in doubt and sent it twice, so that it is there at two offsets. Each of them
must be booked once.

Write `apply_once`, which books a payment in SQLite, and `transform`, which turns the messages of
one topic into messages of another, in Kafka's transactions.

apply_once: the effect is in your database
  1. A payment adds a row to `entries`, and its cents to the balance of its account in `accounts`.
  2. That happens once for each `payment_id`, however often `apply_once` is called for it: after it
     was killed or cancelled (at any await), by two workers at the same moment, with another place
     in the topic.
  3. When it returns, all of it is committed. It returns True if it has booked the payment itself,
     and False if that had been done before.
  4. If there is no such account, UnknownAccount is raised, and nothing is written. Once the
     account is there, the same payment can be booked.

The database is there, with these tables; `applied` is for you to remember ids in:

    CREATE TABLE accounts (name TEXT PRIMARY KEY, cents INTEGER NOT NULL)
    CREATE TABLE entries (payment_id TEXT NOT NULL, account TEXT NOT NULL, cents INTEGER NOT NULL)
    CREATE TABLE applied (payment_id TEXT PRIMARY KEY)

transform: the effect is in Kafka
  5. For every message of `source`, `await convert(value)` gives the values to send to `target`,
     none or several; they get the message's key. A reader of `target` that reads only what is
     committed sees them once, however often the transformer is killed and started again.
  6. Transactions are committed within five seconds (`convert` takes milliseconds), with what they
     have sent and how far `source` is read. Several messages may share one. `source` is itself read
     only as far as it is committed.
  7. If `convert` raises, what its transaction has sent is aborted, its messages count as not read,
     and `transform` raises that exception.
  8. If another transformer with the same `transactional_id` has begun since, this one is a zombie:
     nothing that it sends is seen any more, and `transform` raises KafkaException.
  9. When `stop` is set, no message is begun. The transaction is committed, the clients are closed,
     and `transform` returns.

`config` is what both clients are told by whoever runs the transformer: the addresses, and how they
are to behave; no group, no `transactional.id`. A group that is new begins with the first message of
the topic. Nothing in `transform` blocks the event loop.

Graded: `apply_once` in simulated worlds. `transform` on the small cluster that librdkafka brings,
which carries out no transactions; what they would do there is worked out from the calls of your
clients. `pytest exercises/10 --live` asks a real Kafka.

Out of scope: rebalances between several transformers; a broker that is down; the cancellation of
`transform`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Convert = Callable[[bytes], Awaitable[Sequence[bytes]]]
"""A message's value -> the values to send."""


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
    """Book a payment, unless it has been: True if it was booked now.

    `database`: a file of SQLite, for aiosqlite.
    """
    raise NotImplementedError


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
    raise NotImplementedError
