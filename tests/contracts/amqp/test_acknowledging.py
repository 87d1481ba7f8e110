"""Acknowledging: what is done with, and what comes again, in which order."""

from __future__ import annotations

import asyncio
from typing import Any

from aiormq import exceptions
from pamqp import commands as spec

from .agreement import Amqp, contract, drained, error_of, publish, size, until


async def take(queue: Any, count: int) -> list[Any]:
    return [await queue.get() for _ in range(count)]


@contract
async def test_what_is_acknowledged_is_gone(amqp: Amqp) -> None:
    """An acknowledged message does not come again when its channel is closed; others do."""
    channel, reader = await amqp.channel(), await amqp.channel()
    await channel.declare_queue("box")
    await publish(channel, "box", "1", "2")
    first, _ = await take(await reader.get_queue("box"), 2)
    await first.ack()
    await reader.close()
    queue = await channel.get_queue("box")
    assert await drained(queue, 1) == ["2"]


@contract
async def test_several_are_acknowledged_at_once(amqp: Amqp) -> None:
    """With multiple, everything up to this one is acknowledged."""
    channel, reader = await amqp.channel(), await amqp.channel()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", "1", "2", "3", "4")
    taken = await take(await reader.get_queue("box"), 4)
    await taken[2].ack(multiple=True)
    await reader.close()
    assert await drained(queue, 1) == ["4"]


@contract
async def test_what_is_requeued_goes_to_its_old_place(amqp: Amqp) -> None:
    """Messages that are given back lie in the queue as they lay before, marked as redelivered."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", "1", "2", "3", "4", "5")
    taken = await take(queue, 4)
    await taken[3].nack()
    await taken[1].reject(requeue=True)
    await taken[2].ack()
    await taken[0].nack()
    again = await take(queue, 4)
    assert [(one.body, one.redelivered) for one in again] == [
        (b"1", True),
        (b"2", True),
        (b"4", True),
        (b"5", False),
    ]


@contract
async def test_several_are_given_back_at_once(amqp: Amqp) -> None:
    """basic.nack with multiple gives everything back up to this one."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", "1", "2", "3")
    taken = await take(queue, 3)
    await taken[1].nack(multiple=True)
    again = await take(queue, 2)
    assert [one.body for one in again] == [b"1", b"2"]
    assert await queue.get(fail=False) is None


@contract
async def test_a_closed_channel_gives_everything_back(amqp: Amqp) -> None:
    """When a channel is closed, what it held is at the head of the queue again, in old order."""
    channel, reader = await amqp.channel(), await amqp.channel()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", *"123456")
    await take(await reader.get_queue("box"), 4)
    await reader.close()
    again = await take(queue, 6)
    assert [one.body for one in again] == [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert [one.redelivered for one in again] == [True] * 4 + [False] * 2


@contract
async def test_a_failed_channel_gives_everything_back(amqp: Amqp) -> None:
    """So it is when the channel is closed by an error."""
    channel, reader = await amqp.channel(), await amqp.channel()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", "1", "2")
    await take(await reader.get_queue("box"), 2)
    await error_of(reader.declare_queue("nowhere", passive=True))
    assert await drained(queue, 2) == ["1", "2"]


@contract
async def test_recover_gives_everything_back(amqp: Amqp) -> None:
    """basic.recover makes the server deliver again what the channel has not acknowledged."""
    raw = await amqp.raw(confirms=True)
    await raw.queue_declare("box")
    for body in (b"1", b"2"):
        await raw.basic_publish(body, routing_key="box")
    for _ in range(2):
        await raw.basic_get("box")
    await raw.basic_recover(requeue=True)
    again = [await raw.basic_get("box") for _ in range(2)]
    assert [(one.body, one.delivery.redelivered) for one in again] == [(b"1", True), (b"2", True)]


@contract
async def test_recover_without_requeue_is_not_implemented(amqp: Amqp) -> None:
    """basic.recover with requeue=false costs the connection, with code 540."""
    raw = await amqp.raw()
    await error_of(raw.basic_recover(requeue=False))
    error = await error_of(asyncio.wait_for(raw.connection.closing, 5))
    assert str(error) == "NOT_IMPLEMENTED - requeue=false"


@contract
async def test_an_unknown_delivery_tag_costs_the_channel(amqp: Amqp) -> None:
    """Acknowledging what one does not hold closes the channel, with code 406."""
    for method in (
        spec.Basic.Ack(99),
        spec.Basic.Ack(99, True),
        spec.Basic.Nack(99, False, True),
        spec.Basic.Reject(99, True),
    ):
        raw = await amqp.raw()
        await raw.rpc(method)
        error = await error_of(asyncio.wait_for(raw.closing, 5))
        assert isinstance(error, exceptions.ChannelPreconditionFailed)
        assert str(error) == "PRECONDITION_FAILED - unknown delivery tag 99"


@contract
async def test_acknowledging_twice_costs_the_channel(amqp: Amqp) -> None:
    """A second acknowledgement of the same message closes the channel, with code 406."""
    raw = await amqp.raw(confirms=True)
    await raw.queue_declare("box")
    await raw.basic_publish(b"1", routing_key="box")
    taken = await raw.basic_get("box")
    await raw.basic_ack(taken.delivery.delivery_tag)
    await raw.basic_ack(taken.delivery.delivery_tag)
    error = await error_of(asyncio.wait_for(raw.closing, 5))
    assert str(error) == "PRECONDITION_FAILED - unknown delivery tag 1"


@contract
async def test_a_tag_belongs_to_its_channel(amqp: Amqp) -> None:
    """What one channel holds cannot be acknowledged on another."""
    raw = await amqp.raw(confirms=True)
    other = await raw.connection.channel()
    await raw.queue_declare("box")
    await raw.basic_publish(b"1", routing_key="box")
    taken = await raw.basic_get("box")
    await other.basic_ack(taken.delivery.delivery_tag)
    error = await error_of(asyncio.wait_for(other.closing, 5))
    assert isinstance(error, exceptions.ChannelPreconditionFailed)


@contract
async def test_acknowledging_all_of_nothing_does_no_harm(amqp: Amqp) -> None:
    """Tag 0 with multiple is everything that is held, be it nothing."""
    raw = await amqp.raw(confirms=True)
    await raw.basic_ack(0, multiple=True)
    await raw.queue_declare("box")
    for body in (b"1", b"2", b"3"):
        await raw.basic_publish(body, routing_key="box")
    for _ in range(2):
        await raw.basic_get("box")
    await raw.basic_ack(0, multiple=True)
    await raw.close()
    channel = await amqp.channel()
    assert await drained(await channel.get_queue("box"), 1) == ["3"]


@contract
async def test_what_a_deleted_queue_gave_can_still_be_acknowledged(amqp: Amqp) -> None:
    """An acknowledgement of a message whose queue is gone changes nothing."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", "1", "2")
    first, second = await take(queue, 2)
    await channel.queue_delete("box")
    await first.ack()
    await second.nack()
    await channel.declare_queue("box")
    assert await size(channel, "box") == 0


@contract
async def test_a_requeued_message_goes_to_somebody_else_too(amqp: Amqp) -> None:
    """A message that one consumer gives back is delivered again, to whoever has room."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    seen: list[tuple[str, bool]] = []

    async def refuse_once(message: Any) -> None:
        seen.append((message.consumer_tag, message.redelivered))
        if message.redelivered:
            await message.ack()
        else:
            await message.nack()

    await queue.consume(refuse_once)
    await publish(channel, "box", "1")

    async def twice() -> bool:
        return len(seen) == 2

    await until(twice)
    assert [redelivered for _, redelivered in seen] == [False, True]
