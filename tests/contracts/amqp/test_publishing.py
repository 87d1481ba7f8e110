"""Publishing: what becomes of a message, and what the publisher is told."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

from aio_pika import DeliveryMode
from aiormq import exceptions
from pamqp import commands as spec

from .agreement import Amqp, contract, drained, error_of, message, publish, until


@contract
async def test_a_message_comes_as_it_was_sent(amqp: Amqp) -> None:
    """Body, properties and headers are the same at the other end."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    when = datetime.datetime(2026, 5, 17, 12, 30, tzinfo=datetime.UTC)
    headers = {
        "text": "tea",
        "number": 70_000,
        "large": 2**40,
        "true": True,
        "nothing": None,
        "list": [1, "two", {"three": 3.5}],
        "bytes": bytearray(b"\x00\xff"),
        "when": when,
    }
    await channel.default_exchange.publish(
        message(
            "hello",
            headers=headers,
            content_type="text/plain",
            content_encoding="utf-8",
            delivery_mode=DeliveryMode.PERSISTENT,
            priority=5,
            correlation_id="c-1",
            reply_to="answers",
            message_id="m-1",
            timestamp=when,
            type="greeting",
            user_id="guest",
            app_id="test",
        ),
        "box",
    )
    taken = await queue.get()
    assert taken.body == b"hello"
    assert taken.headers == headers
    assert (taken.content_type, taken.content_encoding) == ("text/plain", "utf-8")
    assert (taken.delivery_mode, taken.priority) == (DeliveryMode.PERSISTENT, 5)
    assert (taken.correlation_id, taken.reply_to, taken.message_id) == ("c-1", "answers", "m-1")
    assert (taken.timestamp, taken.type) == (when, "greeting")
    assert (taken.user_id, taken.app_id) == ("guest", "test")
    assert (taken.exchange, taken.routing_key) == ("", "box")
    assert not taken.redelivered


@contract
async def test_bodies_may_be_empty_or_large(amqp: Amqp) -> None:
    """An empty body and one of several frames come whole."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    bodies = ["", "x" * 131_064, "y" * 131_065, "z" * 400_000]
    await publish(channel, "box", *bodies)
    assert await drained(queue) == bodies


@contract
async def test_publishes_are_confirmed(amqp: Amqp) -> None:
    """On a channel with confirms every publish is answered with basic.ack, one way or another."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box", durable=True)
    answers = await asyncio.gather(
        *(
            channel.default_exchange.publish(
                message(str(number), delivery_mode=DeliveryMode.PERSISTENT), "box"
            )
            for number in range(50)
        )
    )
    assert all(isinstance(answer, spec.Basic.Ack) for answer in answers)
    assert await drained(queue) == [str(number) for number in range(50)]


@contract
async def test_without_confirms_nobody_answers(amqp: Amqp) -> None:
    """On a channel without confirms a publish is answered with nothing."""
    channel = await amqp.channel(publisher_confirms=False)
    queue = await channel.declare_queue("box")
    assert await channel.default_exchange.publish(message("1"), "box") is None
    assert await drained(queue, 1) == ["1"]


@contract
async def test_an_unroutable_message_is_confirmed_all_the_same(amqp: Amqp) -> None:
    """Without the flag mandatory, a message that reaches no queue is confirmed and forgotten."""
    channel = await amqp.channel()
    answer = await channel.default_exchange.publish(message("1"), "nowhere", mandatory=False)
    assert isinstance(answer, spec.Basic.Ack)


@contract
async def test_a_mandatory_message_is_returned(amqp: Amqp) -> None:
    """With the flag mandatory, a message that reaches no queue comes back before its confirm."""
    channel = await amqp.channel(on_return_raises=True)
    error = await error_of(
        channel.default_exchange.publish(message("1", message_id="m-1"), "nowhere")
    )
    assert isinstance(error, exceptions.PublishError)
    returned: Any = error.message
    assert returned.body == b"1"
    assert returned.header.properties.message_id == "m-1"
    assert returned.delivery.reply_code == 312
    assert returned.delivery.reply_text == "NO_ROUTE"
    assert (returned.delivery.exchange, returned.delivery.routing_key) == ("", "nowhere")


@contract
async def test_a_return_goes_before_its_confirm(amqp: Amqp) -> None:
    """basic.return comes first, then basic.ack: so on the wire, frame by frame."""
    raw = await amqp.raw(confirms=True)
    seen: list[str] = []
    put = raw.frames.put

    async def watch(item: Any) -> None:
        seen.append(item[1].name)
        await put(item)

    raw.frames.put = watch
    await error_of(raw.basic_publish(b"1", routing_key="nowhere", mandatory=True))
    await raw.queue_declare("box")
    assert seen == ["Basic.Return", "ContentHeader", "ContentBody", "Basic.Ack", "Queue.DeclareOk"]


@contract
async def test_an_exchange_that_is_not_there_costs_the_channel(amqp: Amqp) -> None:
    """Publishing to an exchange that does not exist closes the channel, with code 404."""
    raw = await amqp.raw(confirms=True)
    error = await error_of(raw.basic_publish(b"1", exchange="nowhere", routing_key="a"))
    assert isinstance(error, exceptions.ChannelNotFoundEntity)
    assert str(error) == f"NOT_FOUND - no exchange 'nowhere' in vhost '{amqp.vhost}'"


@contract
async def test_a_publisher_is_who_it_says_it_is(amqp: Amqp) -> None:
    """The property user_id must be the user who is logged in: code 406."""
    raw = await amqp.raw(confirms=True)
    await raw.queue_declare("box")
    properties = spec.Basic.Properties(user_id="ada")
    error = await error_of(raw.basic_publish(b"1", routing_key="box", properties=properties))
    assert isinstance(error, exceptions.ChannelPreconditionFailed)
    assert str(error) == (
        "PRECONDITION_FAILED - user_id property set to 'ada' but authenticated user was 'guest'"
    )


@contract
async def test_an_expiration_is_a_number(amqp: Amqp) -> None:
    """The property expiration is a number of milliseconds as text: else code 406."""
    for text, reason in (("soon", "no_integer"), ("-1", "{value_negative,-1}")):
        raw = await amqp.raw(confirms=True)
        await raw.queue_declare("box")
        properties = spec.Basic.Properties(expiration=text)
        error = await error_of(raw.basic_publish(b"1", routing_key="box", properties=properties))
        assert isinstance(error, exceptions.ChannelPreconditionFailed)
        assert str(error) == f"PRECONDITION_FAILED - invalid expiration '{text}': {reason}"


@contract
async def test_a_full_queue_can_refuse(amqp: Amqp) -> None:
    """With x-overflow reject-publish a publish to a full queue is answered with basic.nack."""
    channel = await amqp.channel()
    queue = await channel.declare_queue(
        "box", arguments={"x-max-length": 2, "x-overflow": "reject-publish"}
    )
    await publish(channel, "box", "1", "2")
    error = await error_of(publish(channel, "box", "3"))
    assert isinstance(error, exceptions.DeliveryError)
    assert isinstance(error.frame, spec.Basic.Nack)
    assert await drained(queue) == ["1", "2"]
    await publish(channel, "box", "4")
    assert await drained(queue) == ["4"]


@contract
async def test_one_queue_that_refuses_is_enough(amqp: Amqp) -> None:
    """If one of several queues refuses a message the publisher gets basic.nack, and the others
    have it."""
    channel = await amqp.channel()
    exchange = await channel.declare_exchange("news", "fanout")
    full = await channel.declare_queue(
        "full", arguments={"x-max-length": 0, "x-overflow": "reject-publish"}
    )
    wide = await channel.declare_queue("wide")
    await full.bind(exchange)
    await wide.bind(exchange)
    error = await error_of(publish(channel, "", "1", exchange=exchange))
    assert isinstance(error, exceptions.DeliveryError)
    assert await drained(wide) == ["1"]


@contract
async def test_one_channel_keeps_its_order(amqp: Amqp) -> None:
    """Messages published on one channel lie in a queue in that order."""
    channel = await amqp.channel(publisher_confirms=False)
    queue = await channel.declare_queue("box")
    for number in range(100):
        await channel.default_exchange.publish(message(str(number)), "box")

    async def all_there() -> bool:
        return (await channel.declare_queue("box")).declaration_result.message_count == 100

    await until(all_there)
    assert await drained(queue) == [str(number) for number in range(100)]
