"""Time to live, lengths, priorities, and the order of quorum queues."""

from __future__ import annotations

import asyncio
from typing import Any

from .agreement import Amqp, contract, drained, publish, size, until


@contract
async def test_messages_expire_by_their_queue(amqp: Amqp) -> None:
    """x-message-ttl is how many milliseconds a message may wait."""
    channel = await amqp.channel()
    await channel.declare_queue("box", arguments={"x-message-ttl": 60})
    await channel.declare_queue("long", arguments={"x-message-ttl": 600_000})
    await publish(channel, "box", "1", "2")
    await publish(channel, "long", "3")
    await until(is_empty(channel, "box"))
    assert await size(channel, "long") == 1


@contract
async def test_the_shorter_time_counts(amqp: Amqp) -> None:
    """A message expires by its own expiration or by the queue's, whichever comes first."""
    channel = await amqp.channel()
    await channel.declare_queue("quick", arguments={"x-message-ttl": 60})
    await channel.declare_queue("slow", arguments={"x-message-ttl": 600_000})
    await publish(channel, "quick", "1", expiration=600)
    await publish(channel, "slow", "2", expiration=0.06)
    await until(is_empty(channel, "quick"))
    await until(is_empty(channel, "slow"))


@contract
async def test_a_message_expires_at_the_head_only(amqp: Amqp) -> None:
    """One with a short expiration behind one with a long one stays until it is its turn."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", "long", expiration=600)
    await publish(channel, "box", "short", expiration=0.05)
    await publish(channel, "box", "none")
    await asyncio.sleep(0.15)  # three times as long as the short one lives
    assert await size(channel, "box") == 3
    assert await drained(queue) == ["long", "none"]


@contract
async def test_what_is_handed_out_does_not_expire(amqp: Amqp) -> None:
    """A message that a consumer holds does not expire; once it comes back, it does."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box", arguments={"x-message-ttl": 60})
    await publish(channel, "box", "1")
    taken = await queue.get()
    await asyncio.sleep(0.12)
    await taken.nack(requeue=True)
    await until(is_empty(channel, "box"))


@contract
async def test_no_time_to_live_is_for_whoever_waits(amqp: Amqp) -> None:
    """With a time to live of 0 only a consumer that has room gets the message."""
    channel, taken = await amqp.channel(), []
    queue = await channel.declare_queue("box", arguments={"x-message-ttl": 0})
    await publish(channel, "box", "1")
    assert await queue.get(fail=False) is None

    async def take(message: Any) -> None:
        taken.append(message.body)

    await queue.consume(take, no_ack=True)
    await publish(channel, "box", "2")

    async def came() -> bool:
        return taken == [b"2"]

    await until(came)


@contract
async def test_a_full_queue_drops_its_head(amqp: Amqp) -> None:
    """x-max-length keeps the latest messages; x-max-length-bytes counts bodies."""
    channel = await amqp.channel()
    short = await channel.declare_queue("short", arguments={"x-max-length": 3})
    small = await channel.declare_queue("small", arguments={"x-max-length-bytes": 10})
    await publish(channel, "short", *"123456")
    await publish(channel, "small", "aaaa", "bbbb", "cccc", "dd")
    assert await drained(short) == ["4", "5", "6"]
    assert await drained(small) == ["bbbb", "cccc", "dd"]


@contract
async def test_what_is_handed_out_does_not_count(amqp: Amqp) -> None:
    """Only messages that wait count towards the length of a queue."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box", arguments={"x-max-length": 1})
    await publish(channel, "box", "1")
    held = await queue.get()
    await publish(channel, "box", "2")
    assert await size(channel, "box") == 1
    await held.ack()
    assert await drained(queue) == ["2"]


@contract
async def test_higher_priorities_go_first(amqp: Amqp) -> None:
    """With x-max-priority the highest goes first; what is above the most counts as the most."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box", arguments={"x-max-priority": 5})
    for body, priority in (("a", None), ("b", 3), ("c", 9), ("d", 5), ("e", 3)):
        await publish(channel, "box", body, priority=priority)
    assert await drained(queue) == ["c", "d", "b", "e", "a"]


@contract
async def test_what_is_requeued_keeps_its_priority(amqp: Amqp) -> None:
    """A message that is given back lies among those of its priority as before."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box", arguments={"x-max-priority": 5})
    await publish(channel, "box", "a", "b", priority=1)
    low = await queue.get()
    await publish(channel, "box", "c", priority=5)
    await low.nack()
    assert await drained(queue) == ["c", "a", "b"]


@contract
async def test_a_quorum_queue_puts_the_refused_behind(amqp: Amqp) -> None:
    """Without a delivery limit, what is given back goes to the tail of a quorum queue."""
    channel = await amqp.channel()
    queue = await quorum(channel, "box")
    await publish(channel, "box", *"12345")
    taken = [await queue.get() for _ in range(3)]
    await taken[1].nack()
    await taken[0].nack()
    await taken[2].ack()
    assert await drained(queue, 4) == ["4", "5", "2", "1"]


@contract
async def test_with_a_limit_the_refused_come_first(amqp: Amqp) -> None:
    """With a delivery limit, what is given back goes first, in the order in which it came back."""
    channel = await amqp.channel()
    queue = await quorum(channel, "box", **{"x-delivery-limit": 5})
    await publish(channel, "box", *"12345")
    taken = [await queue.get() for _ in range(3)]
    await taken[1].nack()
    await taken[0].nack()
    await taken[2].ack()

    async def back() -> bool:
        return await size(channel, "box") == 4

    await until(back)
    assert await drained(queue, 4) == ["2", "1", "4", "5"]


@contract
async def test_what_the_dead_held_comes_first(amqp: Amqp) -> None:
    """What a closed channel held of a quorum queue goes first, limit or not."""
    channel, reader = await amqp.channel(), await amqp.channel()
    queue = await quorum(channel, "box")
    await publish(channel, "box", *"12345")
    for _ in range(3):
        await (await reader.get_queue("box")).get()
    await reader.close()

    async def back() -> bool:
        return await size(channel, "box") == 5

    await until(back)
    assert await drained(queue, 5) == list("12345")


def is_empty(channel: Any, name: str) -> Any:
    async def empty() -> bool:
        return await size(channel, name) == 0

    return empty


async def quorum(channel: Any, name: str, **arguments: Any) -> Any:
    return await channel.declare_queue(
        name, durable=True, arguments={"x-queue-type": "quorum", **arguments}
    )
