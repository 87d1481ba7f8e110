"""The simulated AMQP broker down, slow, silent, full or blocked."""

from __future__ import annotations

import asyncio
from typing import Any

import aio_pika
import aiormq
import pytest
from aiormq.exceptions import AMQPConnectionError, ConnectionClosed, DeliveryError

from autograder.simulation import World, explore
from autograder.simulation.servers.amqp import AmqpBroker

from .brokers import drained, in_world, publish, queue_of


def test_a_restart_keeps_what_is_durable() -> None:
    """Durable queues with their persistent messages are there again, and nothing else."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            exchange = await channel.declare_exchange("events", durable=True)
            await channel.declare_exchange("passing")
            for name, durable in (("kept", True), ("lost", False)):
                queue = await channel.declare_queue(name, durable=durable)
                await queue.bind(exchange, "key")
            for body, mode in ((b"held", 2), (b"on disk", 2), (b"in memory", 1)):
                await exchange.publish(aio_pika.Message(body, delivery_mode=mode), "key")
            await (await channel.get_queue("kept")).get()
            await broker.restart(down_for=5)
        assert world.time() > 5
        assert not broker.queue("lost").exists
        assert broker.exchanges() == ["events"]
        left = await drained(broker, "kept")
        assert [(one.body, one.redelivered) for one in left] == [
            (b"held", True),
            (b"on disk", False),
        ]
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            exchange = await channel.get_exchange("events")
            await exchange.publish(aio_pika.Message(b"again"), "key")
        assert broker.queue("kept").bodies == [b"again"]

    for seed in range(5):
        in_world(program, seed)


def test_a_crash_loses_what_was_not_confirmed() -> None:
    """What a crash finds in memory only is lost, and its publisher was never told otherwise."""

    async def program(world: World) -> tuple[int, int]:
        broker = AmqpBroker(world, storing=(0.01, 1.0))
        confirmed = 0

        async def send(channel: Any, number: int) -> None:
            nonlocal confirmed
            body = aio_pika.Message(b"%d" % number, delivery_mode=2)
            await channel.default_exchange.publish(body, "box")
            confirmed += 1

        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            await channel.declare_queue("box", durable=True)
            sending = asyncio.gather(
                *(send(channel, number) for number in range(40)), return_exceptions=True
            )
            await broker.until(lambda: broker.happened("confirm"))
            await broker.restart(crash=True)
            await sending
        return confirmed, broker.queue("box").ready

    for seed in range(1, 11):
        confirmed, stored = in_world(program, seed)
        assert confirmed <= stored
        assert 0 < stored < 40


def test_a_stopped_broker_refuses_connections() -> None:
    """While it is down nobody connects; clients that were connected have been told."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        raw = await aiormq.connect(broker.url)
        broker.stop()
        with pytest.raises(ConnectionClosed, match="CONNECTION_FORCED - broker forced connection"):
            await raw.closing
        with pytest.raises(AMQPConnectionError):
            await aio_pika.connect(broker.url)
        broker.start()
        await (await aio_pika.connect(broker.url)).close()
        refusing = asyncio.create_task(broker.refuse(10))
        await asyncio.sleep(1)
        with pytest.raises(AMQPConnectionError):
            await aio_pika.connect(broker.url)
        await refusing
        await (await aio_pika.connect(broker.url)).close()

    in_world(program)


def test_a_robust_connection_survives_a_restart() -> None:
    """connect_robust() comes back, declares its queues anew and goes on consuming."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        seen: list[bytes] = []
        async with await aio_pika.connect_robust(broker.url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue("box")

            async def work(message: Any) -> None:
                async with message.process():
                    seen.append(message.body)

            await queue.consume(work)
            await publish(broker, "box", "1", durable=False)
            await broker.restart(down_for=20)
            await asyncio.sleep(30)
            assert broker.queue("box").exists
            await publish(broker, "box", "2", durable=False)
            await asyncio.sleep(1)
        assert seen == [b"1", b"2"]

    assert explore(program, seeds=20) is None


def test_a_slow_broker_takes_its_time() -> None:
    """Each operation takes as long as it is drawn, those of one channel one after another."""

    async def program(world: World) -> float:
        broker = AmqpBroker(world)
        async with await aio_pika.connect(broker.url) as connection:
            first, second = await connection.channel(), await connection.channel()
            broker.latency = (1.0, 1.0)
            before = world.time()
            await asyncio.gather(*(first.declare_queue(name) for name in "abc"))
            spent = world.time() - before
            await asyncio.gather(first.declare_queue("d"), second.declare_queue("e"))
            return round(spent, 1), round(world.time() - before - spent, 1)

    assert in_world(program) == (3.0, 1.0)


def test_what_a_slow_broker_has_received_counts() -> None:
    """An acknowledgement that has reached the broker is not undone by the end of its client."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        await publish(broker, "box", "1")
        async with await aio_pika.connect(broker.url) as connection:
            message = await (await queue_of(connection, "box")).get()
            broker.latency = (5.0, 5.0)
            await message.ack()
            await asyncio.sleep(1)
            broker.disconnect()
        assert broker.queue("box").depth == 0

    in_world(program)


def test_a_silent_client_is_dropped() -> None:
    """A client that is cut off without a word is given up after two heartbeats."""

    async def program(world: World) -> float:
        broker = AmqpBroker(world)
        await publish(broker, "box", "1")
        with world.network.at("laptop"):
            connection = await aio_pika.connect(broker.url + "?heartbeat=10")
        queue = await queue_of(connection, "box")
        await queue.get()
        world.network.cut("laptop", "rabbit")
        began = world.time()
        await broker.until(lambda: broker.queue("box").ready)
        gone = world.time() - began
        world.network.mend("laptop", "rabbit")
        await connection.close()
        return gone

    assert 15 <= in_world(program) <= 26


def test_a_client_notices_a_silent_broker() -> None:
    """aio-pika's own heartbeat gives a broker up that says nothing any more."""

    async def program(world: World) -> float:
        broker = AmqpBroker(world)
        raw = await aiormq.connect(broker.url + "?heartbeat=10")
        began = world.time()
        world.network.stall("rabbit")
        with pytest.raises(asyncio.CancelledError):
            await raw.closing
        return world.time() - began

    assert 30 <= in_world(program) <= 60


def test_an_idle_connection_lives_for_hours() -> None:
    """Heartbeats in both directions keep a connection on which nothing else happens."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            await asyncio.sleep(4 * 3600)
            await channel.declare_queue("box")
        assert [one.event for one in broker.log].count("disconnect") == 1

    in_world(program, 1)


def test_a_consumer_that_never_acknowledges_loses_its_channel() -> None:
    """A message that is held for longer than consumer_timeout costs the channel, with code 406."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        await publish(broker, "box", "1")
        async with await aio_pika.connect(broker.url) as connection:
            queue = await queue_of(connection, "box")

            async def hold(message: Any) -> None: ...

            await queue.consume(hold)
            await asyncio.sleep(1799)
            assert broker.queue("box").unacked == 1
            await asyncio.sleep(2)
            assert broker.queue("box").ready == 1
        (closed,) = broker.happened("close-channel")
        assert "delivery acknowledgement on channel 1 timed out" in closed.reason

    in_world(program)


def test_publishers_are_blocked() -> None:
    """While the alarm is on, whoever publishes is told so and waits; consumers go on."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        await publish(broker, "box", "1")
        async with (
            await aio_pika.connect(broker.url) as publisher,
            await aio_pika.connect(broker.url) as consumer,
        ):
            channel = await publisher.channel()
            broker.block("low on memory")
            await channel.default_exchange.publish(aio_pika.Message(b"2"), "box")
            late = asyncio.create_task(
                channel.default_exchange.publish(aio_pika.Message(b"3"), "box")
            )
            await asyncio.sleep(30)
            assert not late.done()
            queue = await queue_of(consumer, "box")
            await (await queue.get()).ack()
            assert broker.queue("box").bodies == [b"2"]
            broker.unblock()
            await late
            assert broker.queue("box").bodies == [b"2", b"3"]

    in_world(program)


def test_a_full_queue_refuses_in_the_middle_of_a_crowd() -> None:
    """Of many publishes at once each is told its own fate, though one frame speaks for many."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            await channel.declare_queue(
                "box", durable=True, arguments={"x-max-length": 5, "x-overflow": "reject-publish"}
            )
            outcomes = await asyncio.gather(
                *(
                    channel.default_exchange.publish(
                        aio_pika.Message(b"%d" % number, delivery_mode=2), "box"
                    )
                    for number in range(10)
                ),
                return_exceptions=True,
            )
        refused = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, DeliveryError)]
        assert refused == [5, 6, 7, 8, 9]

    for seed in range(20):
        in_world(program, seed)
