"""Queues: how they come to be, whom they belong to, and when they go."""

from __future__ import annotations

from typing import Any

from aiormq import exceptions

from .agreement import Amqp, contract, drained, error_of, publish, size, until


@contract
async def test_a_declaration_counts_messages_and_consumers(amqp: Amqp) -> None:
    """A declaration is answered with the name, and the messages and consumers there are."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    assert queue.declaration_result.queue == "box"
    await publish(channel, "box", "1", "2", "3")
    again = await channel.declare_queue("box")
    assert again.declaration_result.message_count == 3
    assert again.declaration_result.consumer_count == 0
    await channel.set_qos(1)
    await queue.consume(_ignore)
    again = await channel.declare_queue("box")
    assert again.declaration_result.message_count == 2
    assert again.declaration_result.consumer_count == 1


@contract
async def test_the_server_names_queues(amqp: Amqp) -> None:
    """A queue without a name gets one from the server, that an empty name then stands for."""
    raw = await amqp.raw(confirms=True)
    first = await raw.queue_declare("")
    second = await raw.queue_declare("")
    assert first.queue.startswith("amq.gen-")
    assert second.queue.startswith("amq.gen-")
    assert first.queue != second.queue
    await raw.basic_publish(b"1", routing_key=second.queue)
    assert (await raw.basic_get("")).body == b"1"


@contract
async def test_reserved_names_are_refused(amqp: Amqp) -> None:
    """Names that begin with amq. are the server's: the channel is closed, with code 403."""
    channel = await amqp.channel()
    error = await error_of(channel.declare_queue("amq.mine"))
    assert isinstance(error, exceptions.ChannelAccessRefused)
    assert str(error) == "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'"


@contract
async def test_a_queue_is_declared_as_it_is(amqp: Amqp) -> None:
    """A declaration that differs from the queue there is closes the channel, with code 406."""
    channel = await amqp.channel()
    await channel.declare_queue("box", durable=True, arguments={"x-max-length": 10})
    start = f"PRECONDITION_FAILED - inequivalent arg '%s' for queue 'box' in vhost '{amqp.vhost}': "
    for options, said in (
        ({}, start % "durable" + "received 'false' but current is 'true'"),
        (
            {"durable": True, "auto_delete": True},
            start % "auto_delete" + "received 'true' but current is 'false'",
        ),
        (
            {"durable": True},
            start % "x-max-length" + "received none but current is the value '10' of type 'byte'",
        ),
        (
            {"durable": True, "arguments": {"x-max-length": 200}},
            start % "x-max-length" + "received '200' but current is '10'",
        ),
        (
            {"durable": True, "arguments": {"x-max-length": 10, "x-message-ttl": 100_000}},
            start % "x-message-ttl"
            + "received the value '100000' of type 'signedint' but current is none",
        ),
        (
            {"durable": True, "arguments": {"x-max-length": 10, "x-dead-letter-exchange": "x"}},
            start % "x-dead-letter-exchange"
            + "received the value 'x' of type 'longstr' but current is none",
        ),
    ):
        error = await error_of((await amqp.channel()).declare_queue("box", **options))
        assert isinstance(error, exceptions.ChannelPreconditionFailed)
        assert str(error) == said


@contract
async def test_bad_arguments_are_refused(amqp: Amqp) -> None:
    """Arguments that make no sense close the channel, with code 406 and the reason."""
    start = f"PRECONDITION_FAILED - invalid arg '%s' for queue 'box' in vhost '{amqp.vhost}': "
    for arguments, said in (
        ({"x-message-ttl": -1}, start % "x-message-ttl" + "{value_negative,-1}"),
        ({"x-message-ttl": "10"}, start % "x-message-ttl" + '"expected integer, got longstr"'),
        ({"x-expires": 0}, start % "x-expires" + "{value_zero,0}"),
        ({"x-max-length": -1}, start % "x-max-length" + "{value_negative,-1}"),
        ({"x-max-priority": 256}, start % "x-max-priority" + "{max_value_exceeded,256}"),
        ({"x-overflow": "odd"}, start % "x-overflow" + "invalid_overflow"),
        ({"x-queue-type": "odd"}, start % "x-queue-type" + "\"unsupported queue type 'odd'\""),
        (
            {"x-single-active-consumer": "yes"},
            start % "x-single-active-consumer" + "{unacceptable_type,longstr}",
        ),
        (
            {"x-delivery-limit": 3},
            start[:-2] % "x-delivery-limit" + " of queue type rabbit_classic_queue",
        ),
        (
            {"x-dead-letter-exchange": 5},
            "PRECONDITION_FAILED - invalid type 'byte' for arg 'x-dead-letter-exchange' in queue "
            f"'box' in vhost '{amqp.vhost}'",
        ),
        (
            {"x-dead-letter-routing-key": "key"},
            start % "x-dead-letter-routing-key" + "routing_key_but_no_dlx_defined",
        ),
    ):
        error = await error_of((await amqp.channel()).declare_queue("box", arguments=arguments))
        assert isinstance(error, exceptions.ChannelPreconditionFailed)
        assert str(error) == said


@contract
async def test_an_exclusive_queue_is_locked_for_others(amqp: Amqp) -> None:
    """Only the connection that declared it may use an exclusive queue; others get code 405."""
    channel = await amqp.channel()
    await channel.declare_queue("mine", exclusive=True)
    await channel.declare_queue("mine", exclusive=True)
    said = (
        f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine' in vhost "
        f"'{amqp.vhost}'. It could be originally declared on another connection or the exclusive "
        "property value does not match that of the original declaration."
    )

    async def attempts() -> list[Any]:
        return [
            (await amqp.raw()).queue_declare("mine", exclusive=True),
            (await amqp.raw()).queue_declare("mine", passive=True),
            (await amqp.raw()).basic_get("mine"),
            (await amqp.raw()).basic_consume("mine", _ignore),
            (await amqp.raw()).queue_delete("mine"),
            (await amqp.raw()).queue_purge("mine"),
        ]

    for attempt in await attempts():
        error = await error_of(attempt)
        assert isinstance(error, exceptions.ChannelLockedResource)
        assert str(error) == said


@contract
async def test_anybody_may_publish_to_an_exclusive_queue(amqp: Amqp) -> None:
    """Being exclusive is about taking messages, not about sending them."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("mine", exclusive=True)
    other = await amqp.raw(confirms=True)
    await other.basic_publish(b"1", routing_key="mine")
    assert await drained(queue) == ["1"]


@contract
async def test_an_exclusive_queue_goes_with_its_connection(amqp: Amqp) -> None:
    """When the connection is closed its exclusive queues are gone."""
    connection = await amqp.connect_raw()
    channel = await connection.channel()
    await channel.queue_declare("mine", exclusive=True)
    await connection.close()

    async def gone() -> bool:
        try:
            await (await amqp.channel()).declare_queue("mine", passive=True)
        except exceptions.ChannelNotFoundEntity:
            return True
        except exceptions.ChannelLockedResource:
            pass
        return False

    await until(gone)


@contract
async def test_an_auto_delete_queue_goes_with_its_last_consumer(amqp: Amqp) -> None:
    """An auto-delete queue stays until it has had consumers and the last is gone."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("fleeting", auto_delete=True)
    await publish(channel, "fleeting", "1")
    assert await size(channel, "fleeting") == 1
    first, second = await queue.consume(_ignore), await queue.consume(_ignore)
    await queue.cancel(first)
    await channel.declare_queue("fleeting", passive=True)
    await queue.cancel(second)
    error = await error_of(channel.declare_queue("fleeting", passive=True))
    assert isinstance(error, exceptions.ChannelNotFoundEntity)


@contract
async def test_purge_drops_what_is_ready(amqp: Amqp) -> None:
    """A purge counts what it drops; what is unacknowledged stays."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", "1", "2", "3")
    held = await queue.get()
    assert (await queue.purge()).message_count == 2
    assert await size(channel, "box") == 0
    await held.reject(requeue=True)
    assert await drained(queue) == ["1"]


@contract
async def test_delete_counts_what_was_there(amqp: Amqp) -> None:
    """Deleting a queue counts its messages; one that is not there is deleted without a word."""
    channel = await amqp.channel()
    await channel.declare_queue("box")
    await publish(channel, "box", "1", "2")
    assert (await channel.queue_delete("box")).message_count == 2
    assert (await channel.queue_delete("box")).message_count == 0


@contract
async def test_a_queue_in_use_can_be_spared(amqp: Amqp) -> None:
    """With if_unused a queue that has consumers is not deleted: code 406."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    await queue.consume(_ignore)
    error = await error_of(queue.delete(if_unused=True, if_empty=False))
    assert isinstance(error, exceptions.ChannelPreconditionFailed)
    assert str(error) == f"PRECONDITION_FAILED - queue 'box' in vhost '{amqp.vhost}' in use"


@contract
async def test_a_queue_with_messages_can_be_spared(amqp: Amqp) -> None:
    """With if_empty a queue that has messages is not deleted: code 406."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", "1")
    error = await error_of(queue.delete(if_unused=False, if_empty=True))
    assert str(error) == f"PRECONDITION_FAILED - queue 'box' in vhost '{amqp.vhost}' not empty"


@contract
async def test_an_unused_queue_expires(amqp: Amqp) -> None:
    """x-expires deletes a queue that nobody has used for so long; consumers keep it."""
    channel = await amqp.channel()
    await channel.declare_queue("fleeting", arguments={"x-expires": 150})
    used = await channel.declare_queue("used", arguments={"x-expires": 150})
    await used.consume(_ignore)

    async def gone() -> bool:
        raw = await amqp.raw(confirms=True)  # publishing does not count as use
        answer = await raw.basic_publish(b"1", routing_key="fleeting", mandatory=True)
        return type(answer).__name__ == "DeliveredMessage"

    async def is_returned() -> bool:
        try:
            return await gone()
        except exceptions.PublishError:
            return True

    await until(is_returned)
    await channel.declare_queue("used", passive=True)


@contract
async def test_a_deleted_queue_loses_its_bindings(amqp: Amqp) -> None:
    """A queue that is declared anew is not bound as its predecessor was."""
    channel = await amqp.channel()
    exchange = await channel.declare_exchange("events")
    queue = await channel.declare_queue("box")
    await queue.bind(exchange, "a")
    await queue.delete()
    queue = await channel.declare_queue("box")
    await publish(channel, "a", "1", exchange=exchange)
    assert await drained(queue) == []


@contract
async def test_a_quorum_queue_is_durable_and_shared(amqp: Amqp) -> None:
    """A quorum queue that is not durable, or exclusive, is refused with code 406."""
    quorum = {"x-queue-type": "quorum"}
    await (await amqp.channel()).declare_queue("box", durable=True, arguments=quorum)
    for options, what in (
        ({}, "non-durable"),
        ({"durable": True, "exclusive": True}, "exclusive-owner"),
        ({"durable": True, "auto_delete": True}, "auto-delete"),
    ):
        channel = await amqp.channel()
        error = await error_of(channel.declare_queue("other", arguments=quorum, **options))
        assert isinstance(error, exceptions.ChannelPreconditionFailed)
        assert str(error) == (
            f"PRECONDITION_FAILED - invalid property '{what}' for queue 'other' in vhost "
            f"'{amqp.vhost}'"
        )


@contract
async def test_an_empty_name_needs_a_queue_declared_before(amqp: Amqp) -> None:
    """An empty name stands for the queue the channel declared last: without one, code 404."""
    raw = await amqp.raw()
    error = await error_of(raw.basic_get(""))
    assert isinstance(error, exceptions.ChannelNotFoundEntity)
    assert str(error) == "NOT_FOUND - no previously declared queue"


async def _ignore(_: Any) -> None: ...
