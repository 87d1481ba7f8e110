"""Direct replies: answers without a queue."""

from __future__ import annotations

from typing import Any

from aiormq import exceptions
from pamqp import commands as spec

from .agreement import Amqp, contract, error_of, message, until

REPLY_TO = "amq.rabbitmq.reply-to"


@contract
async def test_a_reply_comes_straight_to_who_asked(amqp: Amqp) -> None:
    """A reply to the address that the request carries gets to the channel that asked."""
    client, server, replies = await amqp.raw(), await amqp.raw(confirms=True), []

    async def take(reply: Any) -> None:
        replies.append((reply.body, reply.header.properties.correlation_id))

    await server.queue_declare("rpc")
    await client.basic_consume(REPLY_TO, take, no_ack=True)
    properties = spec.Basic.Properties(reply_to=REPLY_TO, correlation_id="c-1")
    await client.basic_publish(b"2 + 2", routing_key="rpc", properties=properties)
    request = await until(lambda: request_of(server))
    address = request.header.properties.reply_to
    assert address.startswith(REPLY_TO + ".")
    answer = spec.Basic.Properties(correlation_id=request.header.properties.correlation_id)
    await server.basic_publish(b"4", routing_key=address, properties=answer)

    async def answered() -> bool:
        return replies == [(b"4", "c-1")]

    await until(answered)


async def request_of(server: Any) -> Any:
    taken = await server.basic_get("rpc", no_ack=True)
    return taken if isinstance(taken.delivery, spec.Basic.GetOk) else None


@contract
async def test_a_direct_reply_counts_as_routed_nowhere(amqp: Amqp) -> None:
    """With the flag mandatory a direct reply is returned, whether it gets through or not."""
    client, server, replies = await amqp.raw(), await amqp.raw(confirms=True), []

    async def take(reply: Any) -> None:
        replies.append(reply.body)

    await server.queue_declare("rpc")
    await client.basic_consume(REPLY_TO, take, no_ack=True)
    properties = spec.Basic.Properties(reply_to=REPLY_TO)
    await client.basic_publish(b"2 + 2", routing_key="rpc", properties=properties)
    address = (await until(lambda: request_of(server))).header.properties.reply_to
    error = await error_of(server.basic_publish(b"4", routing_key=address, mandatory=True))
    assert isinstance(error, exceptions.PublishError)

    async def answered() -> bool:
        return replies == [b"4"]

    await until(answered)
    await client.close()
    await server.basic_publish(b"5", routing_key=address)
    error = await error_of(server.basic_publish(b"6", routing_key=address, mandatory=True))
    assert isinstance(error, exceptions.PublishError)


@contract
async def test_replies_are_not_acknowledged(amqp: Amqp) -> None:
    """Whoever waits for direct replies must do so with no_ack: else code 406."""
    raw = await amqp.raw()
    error = await error_of(raw.basic_consume(REPLY_TO, print))
    assert isinstance(error, exceptions.ChannelPreconditionFailed)
    assert str(error) == "PRECONDITION_FAILED - reply consumer cannot acknowledge"


@contract
async def test_who_asks_must_wait_for_the_reply(amqp: Amqp) -> None:
    """A request for a direct reply from a channel that does not wait for one: code 406."""
    raw = await amqp.raw(confirms=True)
    await raw.queue_declare("rpc")
    properties = spec.Basic.Properties(reply_to=REPLY_TO)
    error = await error_of(raw.basic_publish(b"?", routing_key="rpc", properties=properties))
    assert isinstance(error, exceptions.ChannelPreconditionFailed)
    assert str(error) == "PRECONDITION_FAILED - fast reply consumer does not exist"


@contract
async def test_aio_pika_asks_for_direct_replies(amqp: Amqp) -> None:
    """The queue of direct replies can be had as any other: passively."""
    channel, other = await amqp.channel(), await amqp.channel()
    replies: list[bytes] = []

    async def take(reply: Any) -> None:
        replies.append(reply.body)

    async def answer(request: Any) -> None:
        body = message(request.body.decode().upper())
        await other.default_exchange.publish(body, request.reply_to, mandatory=False)

    await (await other.declare_queue("rpc")).consume(answer, no_ack=True)
    await (await channel.get_queue(REPLY_TO)).consume(take, no_ack=True)
    await channel.default_exchange.publish(message("hello", reply_to=REPLY_TO), "rpc")

    async def answered() -> bool:
        return replies == [b"HELLO"]

    await until(answered)
