"""What a grader can see of the simulated AMQP broker."""

from __future__ import annotations

import asyncio
from typing import Any

import aio_pika
import pytest

from autograder.simulation import World, run_world
from autograder.simulation.servers.amqp import AmqpBroker, Happening

from .brokers import in_world, publish, queue_of


def test_a_queue_can_be_looked_at() -> None:
    """Its messages, what is unacknowledged, its consumers, and the most that ever was."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        nobody = broker.queue("nowhere")
        assert not nobody.exists
        assert (nobody.ready, nobody.unacked, nobody.depth, nobody.bodies) == (0, 0, 0, [])
        assert (nobody.consumers, nobody.dead_letters) == ([], [])
        await publish(broker, "box", "1", "2", "3")
        box = broker.queue("box")
        assert box.exists
        assert (box.ready, box.bodies) == (3, [b"1", b"2", b"3"])
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=2)
            queue = await channel.declare_queue("box", durable=True)
            taken: list[Any] = []

            async def take(message: Any) -> None:
                taken.append(message)

            tag = await queue.consume(take)
            await asyncio.sleep(1)
            assert (box.ready, box.unacked, box.depth) == (1, 2, 3)
            assert [consumer.tag for consumer in box.consumers] == [tag]
            assert repr(box) == "<queue 'box': 1 ready, 2 unacked, 1 consumers>"
            for message in taken:
                await message.ack()
            await asyncio.sleep(1)
            assert (box.ready, box.unacked) == (0, 1)
        assert (box.most_unacked, box.most_unacked_by_one) == (2, 2)
        assert [view.name for view in broker.queues()] == ["box"]

    in_world(program, 3)


def test_prefetch_is_measured_per_consumer() -> None:
    """The most that one consumer held is not what all of them held together."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        await publish(broker, "box", *"123456")

        async def hold(message: Any) -> None: ...

        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=2)
            queue = await channel.get_queue("box")
            await queue.consume(hold)
            await queue.consume(hold)
            await asyncio.sleep(1)
        assert broker.queue("box").most_unacked == 4
        assert broker.queue("box").most_unacked_by_one == 2

    in_world(program)


def test_dead_letters_are_remembered() -> None:
    """What left a queue unacknowledged, when and why, also if it went nowhere."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        await publish(broker, "box", "1", "2")
        async with await aio_pika.connect(broker.url) as connection:
            queue = await queue_of(connection, "box")
            await (await queue.get()).reject()
            await asyncio.sleep(1)
        (dead,) = broker.dead_letters
        assert (dead.queue, dead.reason, dead.body, dead.exchange) == (
            "box",
            "rejected",
            b"1",
            None,
        )
        assert 0 < dead.time < world.time()
        assert broker.queue("box").dead_letters == [dead]

    in_world(program)


def test_everything_is_logged() -> None:
    """What happened can be asked for by its name, in order, with the messages concerned."""

    async def program(world: World) -> list[str]:
        broker = AmqpBroker(world)
        async with await aio_pika.connect(broker.url, client_properties={"x": "y"}) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue("box")
            await channel.default_exchange.publish(aio_pika.Message(b"tea"), "box")
            await channel.default_exchange.publish(aio_pika.Message(b"lost"), "nowhere")
            first = await queue.get()
            await first.nack()
            second = await queue.get()
            await second.ack()
            await asyncio.sleep(1)
            assert (broker.connections, broker.channels, broker.unconfirmed) == (1, 1, 0)
        delivered = broker.happened("deliver", queue="box")
        assert [(one.body, one.redelivered, one.number) for one in delivered] == [
            (b"tea", False, 1),
            (b"tea", True, 2),
        ]
        assert [one.body for one in broker.happened("return")] == [b"lost"]
        assert broker.happened("deliver", queue="other") == []
        return [one.event for one in broker.log]

    assert in_world(program) == [
        "connect", "declare-queue", "publish", "confirm", "publish", "return", "confirm",
        "deliver", "requeue", "deliver", "ack", "disconnect",
    ]  # fmt: skip


def test_hooks_are_called_at_once() -> None:
    """A grader may do something the moment that something happens."""

    async def program(world: World) -> list[bytes]:
        broker = AmqpBroker(world)
        seen: list[Happening] = []
        broker.on("deliver", seen.append)
        broker.on("deliver", lambda one: broker.disconnect(one.client.partition(":")[0]))
        await publish(broker, "box", "1")
        async with await aio_pika.connect(broker.url) as connection:
            queue = await queue_of(connection, "box")
            with pytest.raises(aio_pika.exceptions.AMQPConnectionError):
                await queue.get()
        return [one.body for one in seen]

    assert in_world(program) == [b"1"]


def test_a_grader_can_wait_for_something() -> None:
    """until() waits in virtual time, and not for ever."""

    async def program(world: World) -> float:
        broker = AmqpBroker(world)
        sending = asyncio.create_task(publish(broker, "box", "1"))
        await broker.until(lambda: broker.queue("box").ready)
        at = world.time()
        await sending
        with pytest.raises(TimeoutError):
            await broker.until(lambda: broker.queue("box").ready == 2, seconds=60)
        assert world.time() - at > 60
        return at

    assert 0 < in_world(program) < 1


def test_a_misspelt_event_is_an_error() -> None:
    """Names of events and the arguments of a cut are checked."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        with pytest.raises(ValueError, match="no event: there are connect, "):
            broker.happened("delivered")
        with pytest.raises(ValueError, match="no event"):
            broker.on("delivered", print)
        with pytest.raises(TypeError, match=r"one of before=\.\.\. and after"):
            broker.cut()
        with pytest.raises(ValueError, match="no method of AMQP"):
            broker.cut(before="ack")

    in_world(program)


def test_there_can_be_several_brokers() -> None:
    """Each has its host, its users and its virtual hosts."""

    async def program(world: World) -> None:
        one = AmqpBroker(world, "one.example", 5673, users={"ada": "secret"}, vhosts=("shop",))
        other = AmqpBroker(world)
        assert one.url == "amqp://ada:secret@one.example:5673/shop"
        assert other.url == "amqp://guest:guest@rabbit:5672/"
        await publish(one, "box", "1")
        assert one.queue("box").ready == 1
        assert not other.queue("box").exists

    in_world(program)


def test_connections_have_names() -> None:
    """A connection is called as its client says, or by its host and port."""

    async def program(world: World) -> list[str]:
        broker = AmqpBroker(world)
        async with await aio_pika.connect(broker.url + "?name=worker"):
            pass
        with world.network.at("laptop"):
            async with await aio_pika.connect(broker.url):
                pass
        return [one.client for one in broker.happened("connect")]

    assert in_world(program) == ["worker", "laptop:49152 -> rabbit:5672"]


def test_what_libraries_log_is_not_shown() -> None:
    """aio-pika logs every lost connection: that is not output of the program under test."""

    async def program(world: World) -> None:
        broker = AmqpBroker(world)
        connection = await aio_pika.connect_robust(broker.url)
        await broker.restart()
        await asyncio.sleep(10)
        await connection.close()

    assert run_world(program).output == ""
