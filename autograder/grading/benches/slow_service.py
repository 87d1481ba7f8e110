"""A service that takes its time, for the graders of deadline.py."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import ModuleType
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
        tidy_error: Exception | None = None,
    ) -> None:
        self.world = world
        self.takes = takes
        self.answer = answer
        self.error = error
        self.tidy = tidy
        self.tidy_error = tidy_error
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
        except asyncio.CancelledError:
            if self.tidy_error is not None:
                raise self.tidy_error from None
            raise
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


def said(seconds: object) -> str:
    """A number of seconds as people read it; anything else as Python writes it."""
    return f"{seconds:.2f} s" if isinstance(seconds, float) else repr(seconds)


def deadline_of(submission: ModuleType, seconds: float) -> Any:
    """A deadline, if it is something that `async with` can use."""
    block = submission.deadline(seconds)
    kind = type(block).__name__
    assert hasattr(block, "__aenter__"), (
        f"deadline() gives something of type {kind}, which is nothing for `async with`; is "
        "@contextlib.asynccontextmanager missing?"
    )
    return block


async def outcome_of(block: Coroutine[Any, Any, Any], within: float = 600) -> Any:
    """Run a block in a task of its own: "cancelled", what it raised, or what it returned."""
    task = asyncio.create_task(block)
    await asyncio.wait([task], timeout=within)
    assert task.done(), f"it is still at work after {within} s"
    if task.cancelled():
        return "cancelled"
    error = task.exception()
    if isinstance(error, AssertionError):
        raise error
    return error or task.result()
