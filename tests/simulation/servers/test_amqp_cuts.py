"""Cutting connections of the simulated AMQP broker: before and after what is said on them."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Any

import aio_pika
import pytest
from aiormq.exceptions import AMQPConnectionError, ChannelInvalidStateError

from autograder.simulation import World, run_world
from autograder.simulation.servers.amqp import AmqpBroker

from .brokers import drained, in_world, publish, queue_of


@pytest.mark.parametrize(("when", "left"), [("before", [b"1"]), ("after", [])])
def test_a_cut_at_an_ack(when: str, left: list[bytes]) -> None:
    """Cut before it, an acknowledgement is lost and the message comes again; after, it counts."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        await publish(broker, "box", "1")
        cut = broker.cut(**{when: "basic.ack"})
        async with await aio_pika.connect(broker.url) as connection:
            queue = await queue_of(connection, "box")
            message = await queue.get()
            await message.ack()
            await asyncio.sleep(1)
            assert connection.transport.connection.is_closed
        assert (cut.seen, cut.happened) == (1, 1)
        assert broker.queue("box").bodies == left
        again = await drained(broker, "box")
        assert [(one.body, one.redelivered) for one in again] == [(body, True) for body in left]

    for seed in range(20):
        in_world(program, seed)


@pytest.mark.parametrize(
    ("fault", "stored"),
    [
        ({"before": "basic.publish"}, 0),
        ({"after": "basic.publish"}, 1),
        ({"before": "confirm"}, 1),
        ({"after": "confirm"}, 1),
    ],
)
def test_a_cut_at_a_publish(fault: dict[str, str], stored: int) -> None:
    """A publisher that is cut off cannot tell whether the broker has its message."""

    async def program(world: World) -> bool:
        broker = AmqpBroker(world)
        await publish(broker, "box")
        broker.cut(**fault)
        confirmed = False
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            lost = fault != {"after": "confirm"}
            with pytest.raises(AMQPConnectionError) if lost else nullcontext():
                await channel.default_exchange.publish(aio_pika.Message(b"1"), "box")
                confirmed = True
        assert broker.queue("box").ready == stored
        return confirmed

    for seed in range(20):
        assert in_world(program, seed) == (fault == {"after": "confirm"})


def test_the_nth_time_counts() -> None:
    """A cut happens once, at the time it is meant for."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        await publish(broker, "box", *"12345")
        cut = broker.cut(before="basic.ack", nth=3)
        async with await aio_pika.connect(broker.url) as connection:
            queue = await queue_of(connection, "box")
            for _ in range(5):
                await (await queue.get()).ack()
                await asyncio.sleep(0.2)
                if connection.transport.connection.is_closed:
                    break
        assert cut.happened == 1
        assert broker.queue("box").bodies == [b"3", b"4", b"5"]
        assert len(await drained(broker, "box")) == 3

    in_world(program)


def test_cuts_are_about_a_queue_or_a_client() -> None:
    """A cut can be meant for one queue, or for one host, and spares all others."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        await publish(broker, "one", "1")
        await publish(broker, "two", "2")
        cut = broker.cut(before="basic.ack", queue="two")
        other = broker.cut(before="queue.declare", client="laptop")
        assert len(await drained(broker, "one")) == 1
        with pytest.raises(ChannelInvalidStateError):
            await drained(broker, "two", settle=1)
        await publish(broker, "three")
        with world.network.at("laptop"), pytest.raises(AMQPConnectionError):
            await publish(broker, "three")
        assert (cut.happened, other.happened) == (1, 1)

    in_world(program)


def test_a_share_of_acks_is_cut() -> None:
    """With a chance, cuts are drawn anew each time; in the calm world there are none."""

    async def program(world: World) -> tuple[int, int]:
        broker = AmqpBroker(world)
        await publish(broker, "box", *"0123456789")
        cut = broker.cut(after="basic.ack", chance=0.3)
        done: list[bytes] = []
        connection = await aio_pika.connect_robust(broker.url, reconnect_interval=1)
        async with connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=1)
            queue = await channel.declare_queue("box", durable=True)

            async def work(message: Any) -> None:
                async with message.process():
                    done.append(message.body)

            await queue.consume(work)
            await broker.until(lambda: not broker.queue("box").depth)
        return cut.happened, len(set(done))

    assert in_world(program, 0) == (0, 10)
    outcomes = [in_world(program, seed) for seed in range(1, 11)]
    assert any(happened for happened, _ in outcomes)
    assert all(done == 10 for _, done in outcomes)


def test_faults_are_told_in_the_timeline() -> None:
    """A cut, what comes back and a restart can be read in the timeline."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        await publish(broker, "box", "tea")
        broker.cut(before="basic.ack")
        async with await aio_pika.connect(broker.url) as connection:
            await (await (await queue_of(connection, "box")).get()).ack()
            await asyncio.sleep(1)
        await broker.restart()

    outcome = run_world(program, trace=True)
    assert outcome.error is None
    said = [event.text for event in outcome.events if event.kind in ("fault", "note")]
    assert said == [
        "the connection of client is cut before basic.ack gets through",
        "rabbit puts 'tea' back into box",
        "rabbit shuts down",
        "rabbit is up again",
    ]
    sent = [event.text for event in outcome.events if event.kind == "send"]
    assert "basic.publish to box 'tea' to rabbit:5672" in sent
    assert "basic.get-ok 1 'tea' to client" in sent
    assert "basic.ack 1 to rabbit:5672" in sent
