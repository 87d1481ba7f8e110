"""One seed, one world: also with aio-pika, with lost connections and a restart."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import aio_pika

from autograder.simulation import World, run_world
from autograder.simulation.servers.amqp import AmqpBroker


async def a_day_at_work(world: World) -> Any:
    """Several channels and consumers on a robust connection that is cut and comes back."""
    broker = AmqpBroker(world, latency=(0.001, 0.010))
    broker.cut(after="basic.ack", nth=5)
    broker.cut(before="confirm", nth=20)
    done: list[tuple[int, bytes]] = []
    connection = await aio_pika.connect_robust(broker.url, reconnect_interval=1)
    channels = []
    for number in range(4):
        channel = await connection.channel()
        channels.append(channel)
        await channel.set_qos(prefetch_count=3)

        async def work(message: Any, number: int = number) -> None:
            async with message.process():
                await world.pause("work")
                done.append((number, message.body))

        for half in "ab":
            queue = await channel.declare_queue(f"{number}{half}", durable=True)
            await queue.consume(work)

    async def send(number: int) -> None:
        while True:
            try:
                channel = channels[number % 4]
                await channel.ready()
                message = aio_pika.Message(b"%d" % number, delivery_mode=2)
                await channel.default_exchange.publish(message, f"{number % 4}a")
                return
            except (
                aio_pika.exceptions.AMQPError,
                aio_pika.exceptions.ChannelInvalidStateError,
                ConnectionError,
            ):
                await asyncio.sleep(1)

    await asyncio.gather(*(send(number) for number in range(30)))
    await broker.restart(3)
    await asyncio.sleep(10)
    await connection.close()
    happened = [(one.time, one.event, one.client, one.body, one.number) for one in broker.log]
    return done, happened, world.loop.steps


def test_the_same_seed_is_the_same_world() -> None:
    """Whatever else is in memory, everything happens at the same time and in the same order."""
    for seed in (1, 2):
        outcomes = []
        keep = []
        for run in range(4):
            keep.append([object() for _ in range(1 + 7919 * run)])
            outcome = run_world(a_day_at_work, seed)
            assert (outcome.error, outcome.problems) == (None, [])
            outcomes.append(outcome.result)
        assert all(outcome == outcomes[0] for outcome in outcomes)


def test_hashes_make_no_difference() -> None:
    """In processes with other hashes of strings it is the same world too."""
    program = (
        "from tests.simulation.servers.test_amqp_worlds import a_day_at_work\n"
        "from autograder.simulation import run_world\n"
        "print(run_world(a_day_at_work, 3).result)\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert "deliver" in said.pop()


def test_worlds_differ() -> None:
    """Other seeds are other worlds: the broker and the network draw from them."""
    times = {run_world(a_day_at_work, seed).time for seed in range(4)}
    assert len(times) == 4
