"""Work off a queue of RabbitMQ, so that each message has its effect once.

Customers of a shop earn points. Whoever grants some publishes a message to a queue, and several
workers credit them. A worker may be killed at any moment, by a deploy or by the kernel, from one
line to the next; what it had not acknowledged, the broker then hands to another one. So messages
come twice. Points do not.

Write `work`. It runs until it is told to stop:

    await work(url, "points.db", handle, stop, queue="points")

Rules
  1. For each message in `queue`, `await handle(body)` says what to credit: (customer, points). It
     takes its time. Then the worker adds a row to the table `credits`.
  2. A message is acknowledged when its row has been committed, and not before.
  3. Each message has a `message_id`, and each id has one row, however often it is delivered: after
     the worker was killed (at any await), to two workers at the same moment, or since it was
     published twice. Two ids are two messages, even if they say the same. The table `processed` is
     there for you to remember ids in.
  4. If `handle` raises, nothing is written, and another attempt is made `retry_delay` seconds later
     (or up to a second after that). Until then the message waits at the broker: it takes no place
     of `prefetch`, and is safe if worker or broker go down.
  5. If it has raised `attempts` times, at whichever workers, the message goes to the queue
     `{queue}.dead` instead, with the same body and message_id. Rather twice than not at all.
  6. The worker never has more than `prefetch` messages of `queue` unacknowledged. How many of these
     it works on at once is up to you.
  7. When `stop` is set, `handle` is not called any more. What has begun is finished, and what has
     not goes back to the queue. Then the connections are closed, and `work` returns.
  8. If the connection to the broker breaks, or the broker is down, at the beginning or later, the
     worker carries on as soon as it can.

The worker declares the queues it needs before it consumes: `queue` and `{queue}.dead`, both
durable, and whatever else it wants, under names that begin with `{queue}.`. Messages are published
to `queue` as soon as it is there, persistent, by somebody who declares nothing. All workers are
given the same arguments.

The database is there, with these tables:

    CREATE TABLE credits (customer TEXT NOT NULL, points INTEGER NOT NULL)
    CREATE TABLE processed (message_id TEXT PRIMARY KEY)

Out of scope: the order of messages; handlers that never return; the cancellation of `work`; being
told to stop while there is no connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

Handler = Callable[[bytes], Awaitable[tuple[str, int]]]
"""A message's body -> whom to credit, and how many points. Raises if that cannot be said now."""


async def work(
    url: str,
    database: str | Path,
    handle: Handler,
    stop: asyncio.Event,
    *,
    queue: str,
    prefetch: int = 10,
    attempts: int = 3,
    retry_delay: float = 30.0,
) -> None:
    """Credit what is in `queue` until `stop` is set.

    `url`: the broker's, "amqp://..."; `database`: a file of SQLite; `attempts`: 1 or more;
    `retry_delay`: in seconds, whole milliseconds.
    """
    raise NotImplementedError
