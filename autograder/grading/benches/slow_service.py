"""A service that takes its time, for the graders of deadline.py."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.simulation import World


class ServiceDown(Exception):
    """What a failing service raises."""


class Service:
    """Answers after a while; knows what it was told, and whether it is still at work."""

    def __init__(
        self,
        world: World,
        takes: float,
        *,
        answer: Any = "answer",
        error: Exception | None = None,
        tidy: float = 0.0,
    ) -> None:
        self.world = world
        self.takes = takes
        self.answer = answer
        self.error = error
        self.tidy = tidy
        self.told: list[float] = []
        self.running = 0
        self.ended: list[float] = []

    async def __call__(self, seconds: float) -> Any:
        self.told.append(seconds)
        self.running += 1
        try:
            await asyncio.sleep(self.takes)
            if self.error is not None:
                raise self.error
            return self.answer
        finally:
            # Whatever happens to the waiting, what comes after it is done.
            try:
                if self.tidy:
                    await asyncio.sleep(self.tidy)
            finally:
                self.running -= 1
                self.ended.append(self.world.time())


def near(seconds: float | None, expected: float) -> bool:
    """True for a number of seconds within a millisecond of the one expected."""
    return seconds is not None and abs(seconds - expected) < 0.001
