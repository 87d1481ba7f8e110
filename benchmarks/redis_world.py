"""What a world with a simulated Redis costs: ``python benchmarks/redis_world.py``.

Each row is the best of several runs, in milliseconds of CPU time for one world, beside what the
same commands cost on the bare engine: the difference is redis-py, the network and the world.
"""

from __future__ import annotations

import argparse
import functools
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

from autograder.simulation import World, explore
from autograder.simulation.servers.redis import RedisServer
from autograder.simulation.servers.redis.engine import Engine

COMMANDS = [["SET", "a", "1"], *([["INCR", "a"]] * 18), ["XADD", "s", "*", "n", "1"]]


async def connect(world: World) -> None:
    await ask(world, COMMANDS[:1])


async def twenty_commands(world: World) -> None:
    await ask(world, COMMANDS)


async def ask(world: World, commands: list[list[str]]) -> None:
    import redis.asyncio

    server = RedisServer(world)
    async with redis.asyncio.from_url(server.url) as client:
        for words in commands:
            await client.execute_command(*words)


def bare(commands: list[list[str]]) -> None:
    engine = Engine(lambda: 0)
    session = engine.connect(lambda data: None, lambda why: None)
    for words in commands:
        engine.execute(session, [word.encode() for word in words])


def cost(run: Callable[[], Any], count: int, rounds: int) -> float:
    """The least milliseconds that one of ``count`` took."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        run()
        best = min(best, time.process_time() - began)
    return 1000 * best / count


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--rounds", type=int, default=5, help="runs of which the best counts")
    arguments.add_argument("--worlds", type=int, default=200, help="worlds in each run")
    options = arguments.parse_args()
    print(f"Python {platform.python_version()}, best of {options.rounds}, CPU time\n")
    print(f"{'':24}{'a world':>12}{'the engine':>14}")
    for name, program, commands in (
        ("a client, 1 command", connect, COMMANDS[:1]),
        ("a client, 20 commands", twenty_commands, COMMANDS),
    ):
        run = functools.partial(explore, program, seeds=options.worlds)
        world = cost(run, options.worlds, options.rounds)
        engine = cost(lambda c=commands: [bare(c) for _ in range(200)], 200, options.rounds)
        print(f"{name:24}{world:>9.2f} ms{engine:>11.3f} ms", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
