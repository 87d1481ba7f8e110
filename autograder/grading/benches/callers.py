"""Callers of a token bucket: tasks that acquire, and when each was served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from autograder.simulation import World

HAIR = 0.001
"""Seconds by which everything may be late."""
LONG = 300.0
"""Virtual seconds after which a caller who still waits will wait for ever."""


class Callers:
    """Tasks that acquire tokens from one bucket, and when each was served."""

    def __init__(self, world: World, bucket: Any) -> None:
        self.world, self.bucket = world, bucket
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.served: dict[str, float] = {}
        self.ended: dict[str, float] = {}

    def call(self, name: str, cost: int = 1, then: Callable[[], object] = lambda: None) -> None:
        """Acquire in a task of this name; `then` is called when it has been served."""

        async def acquire() -> None:
            try:
                await self.bucket.acquire(cost)
                self.served[name] = self.world.time()
            finally:
                self.ended[name] = self.world.time()
            then()

        self.tasks[name] = asyncio.create_task(acquire(), name=name)

    async def settle(self) -> list[str]:
        """Wait until nobody waits; the names of those who wait for ever."""
        await asyncio.wait(self.tasks.values(), timeout=LONG)
        stuck = [name for name, task in self.tasks.items() if not task.done()]
        for task in self.tasks.values():
            task.cancel()
        outcomes = await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return stuck


async def take(world: World, bucket: Any, count: int, cost: int = 1) -> list[float]:
    """Acquire so often, one after another; the times at which each was served."""
    times = []
    for _ in range(count):
        await bucket.acquire(cost)
        times.append(world.time())
    return times


def assert_times(times: Sequence[float], expected: Sequence[float], what: str) -> None:
    """Each was served at its time, and not a hair before."""
    said, wanted = (", ".join(f"{time:.4f}" for time in row) for row in (times, expected))
    on_time = [-1e-6 < time - exact < HAIR for time, exact in zip(times, expected, strict=True)]
    assert all(on_time), f"{what} were served after {said} s; expected {wanted} s"
