"""An operation that does as it is told: raises this, answers that, takes so long; and its times."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from autograder.simulation import World


class Scripted:
    """Goes through its script, one line an attempt; the last line is for all that come after.

    A line is what an attempt answers, or the exception it raises: a class, so that each attempt has
    one of its own, an instance, or a function that makes one. Each attempt takes `takes` seconds.
    """

    def __init__(self, world: World, script: Sequence[Any], *, takes: float = 0.0) -> None:
        self.world = world
        self.script = script
        self.takes = takes
        self.began: list[float] = []
        self.ended: list[float] = []
        self.raised: list[BaseException] = []
        self.running = 0

    @property
    def attempts(self) -> int:
        """How many have begun."""
        return len(self.began)

    def waits(self) -> list[float]:
        """Seconds from the end of each attempt to the beginning of the next."""
        return [later - earlier for earlier, later in zip(self.ended, self.began[1:], strict=False)]

    async def __call__(self) -> Any:
        line = self.script[min(len(self.began), len(self.script) - 1)]
        self.began.append(self.world.time())
        self.running += 1
        try:
            if self.takes:
                await asyncio.sleep(self.takes)
            outcome = line() if callable(line) else line
            if isinstance(outcome, BaseException):
                self.raised.append(outcome)
                raise outcome
            return outcome
        finally:
            self.running -= 1
            self.ended.append(self.world.time())
