"""Connections and channels: how they begin, and how they end."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from aiormq import exceptions
from pamqp import commands as spec
from pamqp.frame import marshal, unmarshal
from pamqp.header import ProtocolHeader

from .agreement import Amqp, contract, error_of, publish, size, until


@contract
async def test_a_client_connects_and_leaves(amqp: Amqp) -> None:
    """A connection is opened and closed from the client's side."""
    connection = await amqp.connect()
    assert not connection.is_closed
    await connection.close()
    assert connection.is_closed


@contract
async def test_the_server_says_what_it_can_do(amqp: Amqp) -> None:
    """The server announces the extensions that aio-pika asks for."""
    connection = await amqp.connect_raw()
    assert connection.publisher_confirms
    assert connection.basic_nack
    assert connection.consumer_cancel_notify
    assert connection.exchange_exchange_bindings
    assert not connection.accept_consumer_cancel_ok
    assert connection.connection_tune.channel_max == 2047
    assert connection.connection_tune.frame_max == 131_072


@contract
async def test_a_wrong_password_is_refused(amqp: Amqp) -> None:
    """Who cannot log in is told so, with code 403."""
    error = await error_of(amqp.connect_raw(amqp.url.replace("guest:guest", "guest:wrong")))
    assert isinstance(error, exceptions.ProbableAuthenticationError)
    assert str(error) == (
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see "
        "the broker logfile."
    )


@contract
async def test_a_virtual_host_that_is_not_there_is_refused(amqp: Amqp) -> None:
    """Who wants a virtual host that does not exist is told so, with code 530."""
    where = urlsplit(amqp.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(ProtocolHeader().marshal())
    await next_frame(reader)
    login = {"mechanism": "PLAIN", "response": "\0guest\0guest"}
    writer.write(marshal(spec.Connection.StartOk({}, **login), 0))
    tune = await next_frame(reader)
    writer.write(marshal(spec.Connection.TuneOk(tune.channel_max, tune.frame_max, 0), 0))
    writer.write(marshal(spec.Connection.Open("nowhere"), 0))
    close = await next_frame(reader)
    assert (close.name, close.reply_code) == ("Connection.Close", 530)
    assert close.reply_text == "NOT_ALLOWED - vhost nowhere not found"
    writer.close()


async def next_frame(reader: asyncio.StreamReader) -> Any:
    """The next frame that the server sends."""
    start = await reader.readexactly(7)
    size = int.from_bytes(start[3:], "big")
    return unmarshal(start + await reader.readexactly(size + 1))[2]


@contract
async def test_another_protocol_is_told_which_one_is_spoken(amqp: Amqp) -> None:
    """Who speaks another version is sent the header of this one, and the connection is closed."""
    where = urlsplit(amqp.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(b"AMQP\x00\x00\x08\x00")
    assert await reader.readexactly(8) == b"AMQP\x00\x00\x09\x01"
    writer.close()


@contract
async def test_an_error_closes_its_channel_only(amqp: Amqp) -> None:
    """After an error a channel is closed, and others of the connection live on."""
    first, second = await amqp.channel(), await amqp.channel()
    error = await error_of(first.declare_queue("nowhere", passive=True))
    assert isinstance(error, exceptions.ChannelNotFoundEntity)
    assert str(error) == f"NOT_FOUND - no queue 'nowhere' in vhost '{amqp.vhost}'"
    await until(_closed(first))
    await second.declare_queue("here")


@contract
async def test_a_closed_channel_can_be_replaced(amqp: Amqp) -> None:
    """The number of a channel that was closed by an error can be used again."""
    connection = await amqp.connect_raw()
    channel = await connection.channel(7)
    await error_of(channel.queue_declare("nowhere", passive=True))
    again = await connection.channel(7)
    await again.queue_declare("here")


@contract
async def test_some_errors_close_the_connection(amqp: Amqp) -> None:
    """An unknown type of exchange costs the connection, with code 503."""
    connection = await amqp.connect_raw()
    channel = await connection.channel()
    await error_of(channel.exchange_declare("odd", exchange_type="odd"))
    error = await error_of(asyncio.wait_for(connection.closing, 5))
    assert isinstance(error, exceptions.ConnectionCommandInvalid)
    assert str(error) == "COMMAND_INVALID - unknown exchange type 'odd'"


@contract
async def test_prefetch_by_size_is_not_implemented(amqp: Amqp) -> None:
    """A prefetch in bytes costs the connection, with code 540."""
    connection = await amqp.connect_raw()
    channel = await connection.channel()
    await error_of(channel.basic_qos(prefetch_size=100))
    error = await error_of(asyncio.wait_for(connection.closing, 5))
    assert isinstance(error, exceptions.ConnectionNotImplemented)
    assert str(error) == "NOT_IMPLEMENTED - prefetch_size!=0 (100)"


@contract
async def test_immediate_delivery_is_not_implemented(amqp: Amqp) -> None:
    """The flag immediate costs the connection, with code 540."""
    connection = await amqp.connect_raw()
    channel = await connection.channel()
    await channel.queue_declare("box")
    await error_of(channel.basic_publish(b"now", routing_key="box", immediate=True))
    error = await error_of(asyncio.wait_for(connection.closing, 5))
    assert str(error) == "NOT_IMPLEMENTED - immediate=true"


@contract
async def test_a_consumer_tag_is_used_once(amqp: Amqp) -> None:
    """A consumer tag that is in use on the channel costs the connection, with code 530."""
    connection = await amqp.connect_raw()
    channel = await connection.channel()
    await channel.queue_declare("box")
    await channel.basic_consume("box", print, consumer_tag="me")
    await error_of(channel.rpc(spec.Basic.Consume(queue="box", consumer_tag="me")))
    error = await error_of(asyncio.wait_for(connection.closing, 5))
    assert isinstance(error, exceptions.ConnectionNotAllowed)
    assert str(error) == "NOT_ALLOWED - attempt to reuse consumer tag 'me'"


@contract
async def test_a_second_opening_of_a_channel_is_an_error(amqp: Amqp) -> None:
    """A channel that is open cannot be opened: that costs the connection, with code 504."""
    connection = await amqp.connect_raw()
    channel = await connection.channel()
    await error_of(channel.rpc(spec.Channel.Open()))
    error = await error_of(asyncio.wait_for(connection.closing, 5))
    assert isinstance(error, exceptions.ConnectionChannelError)
    assert str(error) == "CHANNEL_ERROR - second 'channel.open' seen"


@contract
async def test_a_lost_connection_gives_its_messages_back(amqp: Amqp) -> None:
    """What a client held unacknowledged is there for others once its connection is gone."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", "a", "b")
    other = await amqp.connect()
    their = await (await other.channel()).declare_queue("box", passive=True)
    assert (await their.get()).body == b"a"
    assert (await their.get()).body == b"b"
    await other.close()

    async def both() -> bool:
        return await size(channel, "box") == 2

    await until(both)
    first, second = await queue.get(), await queue.get()
    assert (first.body, first.redelivered) == (b"a", True)
    assert (second.body, second.redelivered) == (b"b", True)


@contract
async def test_heartbeats_keep_an_idle_connection(amqp: Amqp) -> None:
    """A connection that is idle for several heartbeats lives on."""
    connection = await amqp.connect_raw(amqp.url + "?heartbeat=1")
    channel = await connection.channel()
    await asyncio.sleep(2.6)  # of which the server would have noticed two without a heartbeat
    assert not connection.is_closed
    await channel.queue_declare("box")


@contract
async def test_flow_stays_on(amqp: Amqp) -> None:
    """channel.flow with active=true is answered; there is no way to switch a channel off."""
    channel = await amqp.raw()
    answer = await channel.flow(True)
    assert answer.active
    await error_of(channel.flow(False))
    error = await error_of(asyncio.wait_for(channel.connection.closing, 5))
    assert str(error) == "NOT_IMPLEMENTED - active=false"


def _closed(channel: object):  # type: ignore[no-untyped-def]
    async def closed() -> bool:
        return bool(channel.is_closed)  # type: ignore[attr-defined]

    return closed
