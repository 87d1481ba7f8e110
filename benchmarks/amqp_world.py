"""What a world with a simulated RabbitMQ costs: ``python benchmarks/amqp_world.py``.

Each row is the best of several runs, in milliseconds of CPU time for one world, beside the share
of it that the broker's own code takes: the rest is aio-pika, pamqp, asyncio and the world.
"""

from __future__ import annotations

import argparse
import cProfile
import platform
import pstats
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aio_pika

from autograder.simulation import World, explore
from autograder.simulation.servers.amqp import AmqpBroker

MESSAGES = 10
BROKER = str(Path("simulation") / "servers" / "amqp")


async def connects(world: World) -> None:
    async with await aio_pika.connect_robust(AmqpBroker(world).url) as connection:
        await connection.channel()


async def works(world: World) -> None:
    """Ten persistent messages are published with confirms, consumed and acknowledged."""
    broker = AmqpBroker(world)
    async with await aio_pika.connect_robust(broker.url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=5)
        queue = await channel.declare_queue("orders", durable=True)
        for number in range(MESSAGES):
            message = aio_pika.Message(b"%d" % number, delivery_mode=2)
            await channel.default_exchange.publish(message, "orders")
        left = MESSAGES
        async with queue.iterator() as messages:
            async for taken in messages:
                async with taken.process():
                    left -= 1
                if not left:
                    break


def cost(run: Callable[[], Any], count: int, rounds: int) -> float:
    """The least milliseconds that one of ``count`` took."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        run()
        best = min(best, time.process_time() - began)
    return 1000 * best / count


def share(run: Callable[[], Any]) -> float:
    """Which part of the time is spent in the broker's own files."""
    profile = cProfile.Profile()
    profile.runcall(run)
    stats: Any = pstats.Stats(profile)
    spent = [(file, own) for (file, _, _), (_, _, own, _, _) in stats.stats.items()]
    return sum(own for file, own in spent if BROKER in file) / sum(own for _, own in spent)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--rounds", type=int, default=5, help="runs of which the best counts")
    arguments.add_argument("--worlds", type=int, default=100, help="worlds in each run")
    options = arguments.parse_args()
    print(f"Python {platform.python_version()}, best of {options.rounds}, CPU time\n")
    print(f"{'':28}{'a world':>12}{'of it the broker':>20}")
    for name, program in (("a client connects", connects), (f"{MESSAGES} messages", works)):

        def run(program: Any = program) -> None:
            assert explore(program, seeds=options.worlds) is None

        world = cost(run, options.worlds, options.rounds)
        print(f"{name:28}{world:>9.2f} ms{share(run):>19.0%}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
