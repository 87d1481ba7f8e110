"""Work off a Kafka topic in a consumer group: each key in order, and the keys side by side.

A bank's accounts change: opened, credited, debited, closed. Each change is a message whose key is
the account. What happens to one account has to happen in order; what happens to two is nobody's
business. Most changes take a millisecond, some wait an hour for somebody to approve them. The group
has several workers, which come and go.

Write `work`, with the clients of confluent-kafka. It runs until it is told to stop:

    await work({"bootstrap.servers": "...", "group.id": "bank"}, handle, stop, topic="changes")

Rules
  1. `await handle(message)` is called for every message of the topic: also for those that were
     there before the group.
  2. The messages of one key are handled one after another, in the order of the topic. A key waits
     for no other key: while one is at work, others go on, also those of the same partition.
  3. What is committed of a partition never reaches beyond a message whose `handle` has not
     returned, even if later ones are done. What may be committed is so within five seconds. (A
     commit may fail in a rebalance. That ends nothing: commit again.)
  4. The worker never holds more than `limit` messages: read, and not done.
  5. However long `handle` takes, the worker stays in its group: also with `limit` messages in hand,
     and after `stop`.
  6. When you are told that partitions are taken away, `handle` is called for none of their messages
     any more. What has begun may be finished and committed before you let go, or be given up. Once
     they are gone, nothing is committed for them. When they come back, the worker goes on where the
     group is then.
  7. If `handle` raises, also after `stop`, its message is not done (rule 3 holds), and the next one
     of its key does not begin. The worker begins nothing else, finishes what has begun, commits
     what may be, leaves the group, and raises that exception.
  8. When `stop` is set, `handle` is called no more. What has begun is finished and committed. Then
     the worker leaves the group and `work` returns: within a few seconds, if nothing is at work.

`config` is what your consumer is told by whoever runs the worker: addresses, group, protocol,
times. Leave that as it is, and add what the worker needs. `max.poll.interval.ms` is 1500 or more.
Every message has a key. `handle` does no harm if it is called twice for one message, or is
cancelled. Nothing in `work` blocks the event loop.

Out of scope: the cancellation of `work`; a broker that is down; where to put a message that fails
every time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from confluent_kafka import Message

Handler = Callable[[Message], Awaitable[object]]
"""A message -> the work is done. Raises if it cannot be done."""


async def work(
    config: Mapping[str, Any],
    handle: Handler,
    stop: asyncio.Event,
    *,
    topic: str,
    limit: int = 100,
) -> None:
    """Hand the messages of `topic` to `handle` until `stop` is set.

    `config`: of a consumer, with "bootstrap.servers" and "group.id"; `limit`: 1 or more.
    """
    raise NotImplementedError
