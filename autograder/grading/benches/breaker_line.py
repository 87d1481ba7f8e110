"""A line to a provider with a circuit breaker in it, and somebody who calls."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

from autograder.simulation import World

from .scripted import Scripted

HAIR = 0.001
"""Seconds by which everything may be late."""
LONG = 500.0
"""Seconds after which a call that has not ended never will."""


class Line:
    """Calls through a breaker: `line.call("paid")`, `line.call(Unavailable, takes=3)`."""

    def __init__(self, submission: ModuleType, world: World, **options: Any) -> None:
        self.submission = submission
        self.world = world
        self.options = {"failures": 3, "window": 5, "cooldown": 10.0, "timeout": 100.0, **options}
        self.breaker = submission.CircuitBreaker(**self.options)

    @property
    def settings(self) -> str:
        """The options, for messages."""
        return ", ".join(f"{name}={value}" for name, value in self.options.items())

    def start(self, script: Any, takes: float = 0.1) -> Call:
        """Begin a call whose operation answers or raises this, after so many seconds."""
        return Call(self, Scripted(self.world, [script], takes=takes))

    async def call(self, script: Any, takes: float = 0.1) -> Call:
        """Make a call, and wait for its end."""
        call = self.start(script, takes)
        await call.end()
        return call

    async def go(self, pattern: str) -> list[Call]:
        """Calls in turn: F fails, S succeeds, D is declined, B is a bug, C is cancelled."""
        calls = []
        for letter in pattern:
            if letter == "C":
                call = self.start("paid", takes=5.0)
                await asyncio.sleep(0.1)
                call.task.cancel()
                await call.end()
            else:
                call = await self.call(self.scripts()[letter])
            calls.append(call)
        return calls

    def scripts(self) -> dict[str, Any]:
        """What an operation does, by letter."""
        names = self.submission
        return {"F": names.Unavailable, "S": "paid", "D": names.Declined, "B": KeyError}

    async def open(self) -> None:
        """Let it open, which takes no more than the failures it needs."""
        await self.go("F" * self.options["failures"])
        refused = await self.call("paid")
        assert refused.refused, (
            f"{self.settings}: {self.options['failures']} calls failed, one after another, and the "
            f"next one was not refused: {refused}"
        )

    async def half_open(self) -> None:
        """Let it open, and let the cooldown pass."""
        await self.open()
        await asyncio.sleep(self.options["cooldown"])


class Call:
    """One call: whether it was let through, and what came of it."""

    def __init__(self, line: Line, operation: Scripted) -> None:
        self.line = line
        self.operation = operation
        self.began = line.world.time()
        self.ended: float | None = None
        self.task = asyncio.create_task(self._call(), name="caller")

    async def _call(self) -> Any:
        try:
            return await self.line.breaker.call(self.operation)
        finally:
            self.ended = self.line.world.time()

    async def end(self, within: float = LONG) -> None:
        """Wait for its end; an assertion if it never comes."""
        await asyncio.wait([self.task], timeout=within)
        assert self.task.done(), f"a call had not ended after {within:g} s"

    @property
    def let_through(self) -> bool:
        """Was the operation called?"""
        return self.operation.attempts > 0

    @property
    def error(self) -> BaseException | None:
        """What it raised."""
        if self.task.cancelled():
            return asyncio.CancelledError()
        return self.task.exception()

    @property
    def refused(self) -> bool:
        """Did it end with CircuitOpen?"""
        return self.task.done() and isinstance(self.error, self.line.submission.CircuitOpen)

    def __repr__(self) -> str:
        if not self.task.done():
            return "it has not ended"
        if self.refused:
            return "it was refused"
        if self.error is not None:
            return f"it raised {self.error!r}"
        return f"it returned {self.task.result()!r}"
