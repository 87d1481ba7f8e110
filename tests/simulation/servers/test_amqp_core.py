"""The core of the simulated AMQP broker runs without a world, a network or an event loop."""

from __future__ import annotations

from typing import Any

import pytest
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from autograder.simulation.servers.amqp.connections import ClientConnection
from autograder.simulation.servers.amqp.core import Broker
from autograder.simulation.servers.amqp.publishing import Content
from autograder.simulation.servers.amqp.queues import Queue


class Elsewhere:
    """Surroundings with a clock that a test moves by hand."""

    def __init__(self, storing: float = 0.0) -> None:
        self.clock = 0.0
        self.storing = storing
        self.told: list[str] = []

    def now(self) -> float:
        return self.clock

    elapsed = wall_time = now

    def time_to_store(self, queue: Queue) -> float:
        return self.storing

    def tell(self, event: str, **details: Any) -> None:
        self.told.append(event)


class Client:
    """Speaks frames with a broker, and keeps what comes back."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.connection = ClientConnection(broker, "here", lambda: None)
        self.connection.begin()
        self.say(commands.Connection.StartOk({}, "PLAIN", "\0guest\0guest"), 0)
        self.say(commands.Connection.TuneOk(2047, 131_072, 0), 0)
        self.say(commands.Connection.Open("/"), 0)
        self.say(commands.Channel.Open())
        self.heard()

    def say(self, frame: Any, channel: int = 1) -> None:
        self.connection.receive(channel, frame)
        self.broker.settle()

    def publish(self, body: bytes, key: str, **properties: Any) -> None:
        self.say(commands.Basic.Publish(routing_key=key))
        basic = commands.Basic.Properties(**properties)
        self.say(ContentHeader(body_size=len(body), properties=basic))
        if body:
            self.say(ContentBody(body))

    def heard(self) -> list[Any]:
        """What came since the last time: names of methods, and bodies."""
        frames, self.connection.outbox = self.connection.outbox, []
        return [f.message.body if isinstance(f, Content) else f.name for _, f in frames]


def test_a_handshake_frame_by_frame() -> None:
    """The server begins, and answers each step of the client's."""
    broker = Broker(Elsewhere())
    connection = ClientConnection(broker, "here", lambda: None)
    connection.begin()
    steps: list[tuple[Any, str]] = [
        (commands.Connection.StartOk({}, "PLAIN", "\0guest\0guest"), "tune"),
        (commands.Connection.TuneOk(2047, 131_072, 30), "open"),
        (commands.Connection.Open("/"), "running"),
        (commands.Connection.Close(200, "bye", 0, 0), "closed"),
    ]
    for frame, state in steps:
        connection.receive(0, frame)
        assert connection.state == state
    assert [frame.name for _, frame in connection.outbox] == [
        "Connection.Start",
        "Connection.Tune",
        "Connection.OpenOk",
        "Connection.CloseOk",
    ]
    assert connection.heartbeat == 30
    assert connection.hang_up
    assert not broker.connections


def test_a_message_goes_from_one_client_to_another() -> None:
    """What one connection is told to send ends in the outbox of another."""
    broker = Broker(Elsewhere())
    one, other = Client(broker), Client(broker)
    other.say(commands.Queue.Declare(queue="box"))
    other.say(commands.Basic.Consume(queue="box", consumer_tag="me"))
    assert other.heard() == ["Queue.DeclareOk", "Basic.ConsumeOk"]
    one.publish(b"tea", "box")
    assert one.heard() == []
    assert other.heard() == ["Basic.Deliver", b"tea"]
    one.publish(b"", "box")
    assert other.heard() == ["Basic.Deliver", b""]


def test_time_is_asked_for() -> None:
    """The core says when it wants to be woken, and does then what is due."""
    place = Elsewhere()
    broker = Broker(place)
    client = Client(broker)
    client.say(commands.Queue.Declare(queue="box", arguments={"x-message-ttl": 5_000}))
    client.publish(b"tea", "box")
    assert broker.next_deadline == 5.0
    place.clock = 4.9
    broker.settle()
    assert len(broker.vhosts["/"].queues["box"].ready) == 1
    place.clock = 5.0
    broker.settle()
    assert len(broker.vhosts["/"].queues["box"].ready) == 0
    assert place.told[-1] == "dead-letter"
    assert broker.next_deadline is None


def test_confirms_come_when_messages_are_stored() -> None:
    """A persistent message is confirmed once it is on disk, several of them in one frame."""
    place = Elsewhere(storing=2.0)
    broker = Broker(place)
    client = Client(broker)
    client.say(commands.Queue.Declare(queue="box", durable=True))
    client.say(commands.Confirm.Select())
    client.heard()
    for body in (b"1", b"2"):
        client.publish(body, "box", delivery_mode=2)
    client.publish(b"3", "box", delivery_mode=1)
    assert [f.delivery_tag for _, f in client.connection.outbox] == [3]
    client.heard()
    place.clock = 2.0
    broker.settle()
    (frame,) = [f for _, f in client.connection.outbox]
    assert (frame.name, frame.delivery_tag, frame.multiple) == ("Basic.Ack", 2, True)


def test_content_out_of_place_costs_the_connection() -> None:
    """A method in the middle of a message, and content without a method: code 505."""
    for frames in (
        [commands.Basic.Publish(routing_key="box"), commands.Queue.Declare(queue="box")],
        [ContentHeader(body_size=1)],
        [ContentBody(b"x")],
    ):
        client = Client(Broker(Elsewhere()))
        for frame in frames:
            client.say(frame)
        ((_, close),) = client.connection.outbox
        assert (close.name, close.reply_code) == ("Connection.Close", 505)


def test_a_reply_address_can_be_asked_for() -> None:
    """To declare it passively tells whether somebody still waits. (pamqp does not let a client
    write RabbitMQ's own addresses, so this is no part of the contract.)"""
    broker = Broker(Elsewhere())
    asker, server = Client(broker), Client(broker)
    asker.say(commands.Basic.Consume(queue="amq.rabbitmq.reply-to", no_ack=True))
    (address,) = broker.reply_channels
    server.say(commands.Queue.Declare(queue=address, passive=True))
    assert server.heard() == ["Queue.DeclareOk"]
    asker.connection.gone()
    server.say(commands.Queue.Declare(queue=address, passive=True))
    assert server.heard() == ["Channel.Close"]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (commands.Tx.Select(), 540),
        (commands.Basic.Qos(prefetch_size=1), 540),
        (commands.Exchange.Declare(exchange="odd", exchange_type="odd"), 503),
    ],
)
def test_what_costs_the_connection(frame: Any, code: int) -> None:
    """Some errors are the connection's: transactions are not simulated, and say so."""
    client = Client(Broker(Elsewhere()))
    client.say(commands.Queue.Declare(queue="mine", exclusive=True))
    client.heard()
    client.say(frame)
    ((_, close),) = client.connection.outbox
    assert (close.name, close.reply_code) == ("Connection.Close", code)
    assert client.broker.vhosts["/"].queues == {}
