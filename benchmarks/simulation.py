"""What a simulated world costs: ``python benchmarks/simulation.py``.

Every figure is the best of several runs, in seconds of CPU time, and stands beside what the same
program costs on asyncio itself and under detangle (from the ``dev`` extra), measured in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import platform
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from autograder.simulation import World, explore

try:
    import detangle
except ImportError:
    detangle = None

Coro = Coroutine[Any, Any, None]


@dataclass
class Bench:
    """One thing to measure.

    ``ours`` and the others do the work ``count`` times; ``unit`` names what is counted. ``goal``
    is what one of them may cost at most, in microseconds.
    """

    name: str
    unit: str
    count: int
    goal: float
    ours: Callable[[], None]
    asyncio: Callable[[], None]
    detangle: Callable[[], None] | None


# -- the small case: two tasks, a service, an assertion -------------------------------------------


async def small_case(call: Callable[[str], Coroutine[Any, Any, str]]) -> None:
    async def buy(who: str) -> str:
        return await call(who)

    receipts = await asyncio.gather(buy("ada"), buy("bob"))
    assert receipts == ["receipt for ada", "receipt for bob"]


def receipt(who: str) -> str:
    return f"receipt for {who}"


def small_case_in_worlds(worlds: int) -> None:
    async def program(world: World) -> None:
        await small_case(world.service(receipt))

    assert explore(program, seeds=worlds) is None


def small_case_on_asyncio(runs: int) -> None:
    async def call(who: str) -> str:
        # The trips take no time here, or a run would mostly wait.
        await asyncio.sleep(0)
        answer = receipt(who)
        await asyncio.sleep(0)
        return answer

    for _ in range(runs):
        asyncio.run(small_case(call))


def small_case_under_detangle(runs: int) -> None:
    async def call(who: str) -> str:
        await asyncio.sleep(detangle.uniform(0.001, 0.050))
        answer = receipt(who)
        await asyncio.sleep(detangle.uniform(0.001, 0.050))
        return answer

    async def program() -> None:
        await small_case(call)

    detangle.explore(program, runs=runs, seed=1, database=False)


# -- sleeps and steps -----------------------------------------------------------------------------


async def sleeps(count: int, seconds: float) -> None:
    for _ in range(count):
        await asyncio.sleep(seconds)


async def steps(tasks: int, count: int) -> None:
    async def spin(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    await asyncio.gather(*(spin(count // tasks) for _ in range(tasks)))


def in_world(body: Callable[[], Coro]) -> Callable[[], None]:
    async def program(world: World) -> None:
        await body()

    def run() -> None:
        assert explore(program, seeds=1, steps=10_000_000) is None

    return run


def on_asyncio(body: Callable[[], Coro]) -> Callable[[], None]:
    return lambda: asyncio.run(body())


def under_detangle(body: Callable[[], Coro]) -> Callable[[], None] | None:
    if detangle is None:
        return None
    return lambda: detangle.explore(
        body, runs=1, strategy="random", seed=1, database=False, max_steps=10_000_000
    )


def benches(scale: float) -> list[Bench]:
    worlds, naps, turns = int(3000 * scale), int(2000 * scale), int(200_000 * scale)
    return [
        Bench(
            "small case",
            "world",
            worlds,
            200.0,
            lambda: small_case_in_worlds(worlds),
            lambda: small_case_on_asyncio(worlds // 4),
            (lambda: small_case_under_detangle(worlds // 4)) if detangle else None,
        ),
        Bench(
            "sleep(30)",
            "sleep",
            naps,
            10.0,
            in_world(lambda: sleeps(naps, 30)),
            on_asyncio(lambda: sleeps(naps, 1e-9)),
            under_detangle(lambda: sleeps(naps, 30)),
        ),
        *(
            Bench(
                f"{tasks} tasks",
                "step",
                turns,
                10.0,
                in_world(lambda tasks=tasks: steps(tasks, turns)),
                on_asyncio(lambda tasks=tasks: steps(tasks, turns)),
                under_detangle(lambda tasks=tasks: steps(tasks, turns // 10)),
            )
            for tasks in (50, 500)
        ),
    ]


# -- measuring ------------------------------------------------------------------------------------


def cost(run: Callable[[], None]) -> float:
    """CPU seconds of one run."""
    began = time.process_time()
    run()
    return time.process_time() - began


def measure(bench: Bench, rounds: int) -> tuple[float, float, float | None]:
    """The least microseconds each of the three took for one of what is counted."""
    ours, plain, other = [], [], []
    for _ in range(rounds):
        ours.append(cost(bench.ours))
        plain.append(cost(bench.asyncio))
        if bench.detangle is not None:
            other.append(cost(bench.detangle))
    share = 4 if bench.unit == "world" else 1
    share_of_other = 4 if bench.unit == "world" else 10 if bench.unit == "step" else 1
    per = 1e6 / bench.count
    return (
        min(ours) * per,
        min(plain) * share * per,
        min(other) * share_of_other * per if other else None,
    )


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--rounds", type=int, default=5, help="runs of which the best counts")
    arguments.add_argument("--scale", type=float, default=1.0, help="work in each run")
    options = arguments.parse_args()
    logging.disable()
    print(f"Python {platform.python_version()}, best of {options.rounds}, CPU time\n")
    print(f"{'':12}{'here':>22}{'a second':>14}{'goal':>12}{'asyncio':>12}{'detangle':>12}")
    for bench in benches(options.scale):
        ours, plain, other = measure(bench, options.rounds)
        ratios = f"{ours / plain:>11.2f}x{f'{ours / other:.2f}x' if other else 'not there':>12}"
        print(
            f"{bench.name:12}{ours:>10.2f} us a {bench.unit:6}{1e6 / ours:>14,.0f}"
            f"{'met' if ours <= bench.goal else f'{ours / bench.goal:.2f}x':>12}{ratios}",
            flush=True,
        )
    print(
        "\nasyncio, detangle: our cost divided by theirs for the same program; below 1 is faster."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
