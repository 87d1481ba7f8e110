"""Exchanges: what gets where."""

from __future__ import annotations

from typing import Any

import pytest
from aio_pika import ExchangeType
from aiormq import exceptions

from .agreement import Amqp, contract, drained, error_of, message, publish


async def bound(channel: Any, exchange: Any, name: str, key: str = "", **arguments: Any) -> Any:
    """A new queue with one binding to an exchange."""
    queue = await channel.declare_queue(name)
    await queue.bind(exchange, key, arguments=arguments or None)
    return queue


@contract
async def test_the_default_exchange_knows_queues_by_name(amqp: Amqp) -> None:
    """A message to the default exchange gets to the queue that its routing key names."""
    channel = await amqp.channel()
    queue, other = await channel.declare_queue("one"), await channel.declare_queue("two")
    await publish(channel, "one", "hello")
    assert await drained(queue) == ["hello"]
    assert await drained(other) == []


@contract
async def test_a_direct_exchange_compares_keys(amqp: Amqp) -> None:
    """A direct exchange gives a message to every queue bound with exactly its key."""
    channel = await amqp.channel()
    exchange = await channel.declare_exchange("orders", ExchangeType.DIRECT)
    first = await bound(channel, exchange, "first", "paid")
    second = await bound(channel, exchange, "second", "paid")
    third = await bound(channel, exchange, "third", "pai")
    await publish(channel, "paid", "1", exchange=exchange)
    assert await drained(first) == ["1"]
    assert await drained(second) == ["1"]
    assert await drained(third) == []


@contract
async def test_a_fanout_exchange_asks_for_no_key(amqp: Amqp) -> None:
    """A fanout exchange gives a message to every queue bound to it."""
    channel = await amqp.channel()
    exchange = await channel.declare_exchange("news", ExchangeType.FANOUT)
    queues = [await bound(channel, exchange, name, name) for name in ("a", "b", "c")]
    await publish(channel, "whatever", "1", exchange=exchange)
    assert [await drained(queue) for queue in queues] == [["1"], ["1"], ["1"]]


@contract
async def test_a_topic_exchange_matches_words(amqp: Amqp) -> None:
    """In a topic binding * is one word and # any number of words, none included."""
    channel = await amqp.channel()
    exchange = await channel.declare_exchange("events", ExchangeType.TOPIC)
    keys = ["order.*", "order.#", "*.paid", "#", "order.*.eu", "#.eu", "order", "*"]
    queues = {key: await bound(channel, exchange, f"q{n}", key) for n, key in enumerate(keys)}
    for key in ("order", "order.paid", "order.paid.eu", "order..eu", ""):
        await publish(channel, key, key, exchange=exchange)
    found = {key: await drained(queue) for key, queue in queues.items()}
    assert found == {
        "order.*": ["order.paid"],
        "order.#": ["order", "order.paid", "order.paid.eu", "order..eu"],
        "*.paid": ["order.paid"],
        "#": ["order", "order.paid", "order.paid.eu", "order..eu", ""],
        "order.*.eu": ["order.paid.eu", "order..eu"],
        "#.eu": ["order.paid.eu", "order..eu"],
        "order": ["order"],
        "*": ["order"],
    }


@contract
async def test_a_headers_exchange_compares_headers(amqp: Amqp) -> None:
    """A headers exchange matches all or any of a binding's arguments, those with x- left out."""
    channel = await amqp.channel()
    exchange = await channel.declare_exchange("files", ExchangeType.HEADERS)
    pdf = {"type": "pdf", "pages": 2}
    every = await bound(channel, exchange, "all", **{"x-match": "all", **pdf})
    some = await bound(channel, exchange, "any", **{"x-match": "any", **pdf})
    default = await bound(channel, exchange, "default", **pdf)
    for body, headers in (
        ("both", {"type": "pdf", "pages": 2, "more": True}),
        ("one", {"type": "pdf", "pages": 3}),
        ("none", {"type": "png"}),
        ("bare", {}),
    ):
        await exchange.publish(message(body, headers=headers), "")
    assert await drained(every) == ["both"]
    assert await drained(some) == ["both", "one"]
    assert await drained(default) == ["both"]


@contract
async def test_exchanges_can_be_bound_to_exchanges(amqp: Amqp) -> None:
    """A message goes on to the exchanges that are bound, and to each queue once."""
    channel = await amqp.channel()
    source = await channel.declare_exchange("source", ExchangeType.TOPIC)
    target = await channel.declare_exchange("target", ExchangeType.FANOUT)
    await target.bind(source, "order.#")
    queue = await bound(channel, target, "box")
    await queue.bind(source, "order.paid")
    await publish(channel, "order.paid", "1", exchange=source)
    await publish(channel, "other", "2", exchange=source)
    assert await drained(queue) == ["1"]
    await target.unbind(source, "order.#")
    await publish(channel, "order.new", "3", exchange=source)
    assert await drained(queue) == []


@contract
async def test_several_bindings_give_one_message(amqp: Amqp) -> None:
    """A queue with two bindings that match gets the message once."""
    channel = await amqp.channel()
    exchange = await channel.declare_exchange("events", ExchangeType.TOPIC)
    queue = await bound(channel, exchange, "box", "order.*")
    await queue.bind(exchange, "order.#")
    await queue.bind(exchange, "order.*")
    await publish(channel, "order.paid", "1", exchange=exchange)
    assert await drained(queue) == ["1"]


@contract
async def test_an_unbound_queue_gets_no_more(amqp: Amqp) -> None:
    """After unbind, messages get nowhere; unbinding what is not bound does no harm."""
    channel = await amqp.channel()
    exchange = await channel.declare_exchange("events", ExchangeType.DIRECT)
    queue = await bound(channel, exchange, "box", "a")
    await queue.unbind(exchange, "a")
    await queue.unbind(exchange, "a")
    await publish(channel, "a", "1", exchange=exchange)
    assert await drained(queue) == []


@contract
async def test_an_alternate_exchange_takes_what_is_unroutable(amqp: Amqp) -> None:
    """What matches no binding goes to the alternate exchange, and counts as routed."""
    channel = await amqp.channel(on_return_raises=True)
    lost = await channel.declare_exchange("lost", ExchangeType.FANOUT)
    rest = await bound(channel, lost, "rest")
    exchange = await channel.declare_exchange(
        "events", ExchangeType.DIRECT, arguments={"alternate-exchange": "lost"}
    )
    queue = await bound(channel, exchange, "box", "a")
    await publish(channel, "a", "1", exchange=exchange)
    await publish(channel, "b", "2", exchange=exchange)
    assert await drained(queue) == ["1"]
    assert await drained(rest) == ["2"]


@contract
async def test_carbon_copies_go_by_more_keys(amqp: Amqp) -> None:
    """The headers CC and BCC name further routing keys; BCC is taken off."""
    channel = await amqp.channel()
    queues = [await channel.declare_queue(name) for name in ("a", "b", "c")]
    await channel.default_exchange.publish(
        message("1", headers={"CC": ["b"], "BCC": ["c"], "n": 1}), "a"
    )
    taken = [await queue.get(no_ack=True) for queue in queues]
    assert [(one.body, one.routing_key) for one in taken] == [(b"1", "a")] * 3
    assert all(one.headers == {"CC": ["b"], "n": 1} for one in taken)


@contract
async def test_an_exchange_is_declared_once(amqp: Amqp) -> None:
    """Declaring it again as it is does nothing; otherwise the channel is closed, with code 406."""
    channel = await amqp.channel()
    await channel.declare_exchange("events", ExchangeType.TOPIC, durable=True)
    await channel.declare_exchange("events", ExchangeType.TOPIC, durable=True)
    error = await error_of(channel.declare_exchange("events", ExchangeType.FANOUT, durable=True))
    assert isinstance(error, exceptions.ChannelPreconditionFailed)
    assert str(error) == (
        f"PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'events' in vhost "
        f"'{amqp.vhost}': received 'fanout' but current is 'topic'"
    )
    channel = await amqp.channel()
    error = await error_of(channel.declare_exchange("events", ExchangeType.TOPIC))
    assert str(error) == (
        f"PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'events' in vhost "
        f"'{amqp.vhost}': received 'false' but current is 'true'"
    )


@contract
async def test_a_passive_declaration_only_looks(amqp: Amqp) -> None:
    """A passive declaration finds an exchange, or closes the channel with code 404."""
    channel = await amqp.channel()
    await channel.declare_exchange("events", ExchangeType.TOPIC)
    await channel.get_exchange("events")
    error = await error_of(channel.get_exchange("nowhere"))
    assert isinstance(error, exceptions.ChannelNotFoundEntity)
    assert str(error) == f"NOT_FOUND - no exchange 'nowhere' in vhost '{amqp.vhost}'"


@contract
async def test_built_in_exchanges_are_there(amqp: Amqp) -> None:
    """Every virtual host has amq.direct and its like; names with amq. are reserved."""
    channel = await amqp.channel()
    for name in ("amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match"):
        await channel.get_exchange(name)
    error = await error_of(channel.declare_exchange("amq.mine"))
    assert isinstance(error, exceptions.ChannelAccessRefused)
    assert str(error) == (
        "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'"
    )


@contract
async def test_the_default_exchange_cannot_be_bound(amqp: Amqp) -> None:
    """Whatever is done to the default exchange but publishing closes the channel, with 403."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    error = await error_of(queue.bind("", "key"))
    assert isinstance(error, exceptions.ChannelAccessRefused)
    assert str(error) == "ACCESS_REFUSED - operation not permitted on the default exchange"


@contract
async def test_binding_needs_both_ends(amqp: Amqp) -> None:
    """Binding to an exchange that is not there closes the channel, with code 404."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    error = await error_of(queue.bind("nowhere", "key"))
    assert str(error) == f"NOT_FOUND - no exchange 'nowhere' in vhost '{amqp.vhost}'"
    raw = await amqp.raw()
    error = await error_of(raw.queue_bind("nowhere", "amq.direct", "key"))
    assert str(error) == f"NOT_FOUND - no queue 'nowhere' in vhost '{amqp.vhost}'"


@contract
async def test_an_internal_exchange_takes_no_publishes(amqp: Amqp) -> None:
    """Only other exchanges may send to an internal one; a client's channel is closed, with 403."""
    raw = await amqp.raw(confirms=True)
    await raw.exchange_declare("inside", exchange_type="fanout", internal=True)
    error = await error_of(raw.basic_publish(b"1", exchange="inside", routing_key=""))
    assert isinstance(error, exceptions.ChannelAccessRefused)
    assert str(error) == (
        f"ACCESS_REFUSED - cannot publish to internal exchange 'inside' in vhost '{amqp.vhost}'"
    )


@contract
async def test_an_auto_delete_exchange_goes_with_its_last_binding(amqp: Amqp) -> None:
    """An auto-delete exchange is there until its last queue is unbound or deleted."""
    channel = await amqp.channel()
    exchange = await channel.declare_exchange("fleeting", auto_delete=True)
    first = await bound(channel, exchange, "first", "a")
    second = await bound(channel, exchange, "second", "b")
    await first.unbind(exchange, "a")
    await channel.get_exchange("fleeting")
    await second.delete()
    await error_of(channel.get_exchange("fleeting"))


@contract
async def test_a_used_exchange_is_not_deleted(amqp: Amqp) -> None:
    """delete with if_unused closes the channel while there are bindings, with code 406."""
    channel = await amqp.channel()
    exchange = await channel.declare_exchange("events")
    await bound(channel, exchange, "box", "a")
    error = await error_of(exchange.delete(if_unused=True))
    assert str(error) == f"PRECONDITION_FAILED - exchange 'events' in vhost '{amqp.vhost}' in use"
    channel = await amqp.channel()
    await channel.exchange_delete("events")
    await channel.exchange_delete("events")
    with pytest.raises(exceptions.ChannelNotFoundEntity):
        await channel.get_exchange("events")
