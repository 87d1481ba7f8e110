"""Two front doors of a provider: how long each takes, what it answers, and who asked when."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

from autograder.simulation import World

HAIR = 0.001
"""Seconds by which everything may be late."""
LONG = 500.0
"""Seconds after which a call that has not ended never will."""


class Door:
    """Answers after `takes` seconds; `outcome` is a value, or an exception or its class."""

    def __init__(self, world: World, name: str, takes: float = 0.1, outcome: Any = None) -> None:
        self.world = world
        self.name = name
        self.takes = takes
        self.outcome: Any = f"answer of {name}" if outcome is None else outcome
        self.tidy = 0.0
        """Seconds that its clean-up takes when it is cancelled."""
        self.tidy_error: Exception | None = None
        """What its clean-up raises."""
        self.asked: list[tuple[float, Any]] = []
        """When, and the request."""
        self.raised: list[BaseException] = []
        self.running = 0
        self.cancelled_at: list[float] = []

    async def __call__(self, request: Any) -> Any:
        takes, outcome = self.takes, self.outcome
        self.asked.append((self.world.time(), request))
        self.running += 1
        try:
            await asyncio.sleep(takes)
            answer = outcome() if callable(outcome) else outcome
            if isinstance(answer, BaseException):
                self.raised.append(answer)
                raise answer
            return answer
        except asyncio.CancelledError:
            self.cancelled_at.append(self.world.time())
            if self.tidy:
                await asyncio.sleep(self.tidy)
            if self.tidy_error is not None:
                raise self.tidy_error from None
            raise
        finally:
            self.running -= 1

    @property
    def cancelled(self) -> int:
        """How often it was cancelled."""
        return len(self.cancelled_at)


class House:
    """A Hedge in front of two doors."""

    def __init__(
        self, submission: ModuleType, world: World, *, ratio: float = 1.0, reserve: float = 1000.0
    ) -> None:
        self.submission = submission
        self.world = world
        self.first = Door(world, "first")
        self.second = Door(world, "second")
        self.hedge = submission.Hedge(self.first, self.second, ratio=ratio, reserve=reserve)
        self.get = submission.Request("GET", "/payments/o-17")

    async def call(self, request: Any = None) -> Any:
        """Make a call; what it returned, or the exception it raised."""
        began, before = self.world.time(), self.first.cancelled
        task = asyncio.create_task(self.hedge.call(request or self.get), name="caller")
        await asyncio.wait([task], timeout=LONG)
        if not task.done():
            task.cancel()
            gone = self.first.cancelled_at[before:]
            await asyncio.wait([task])
            told = f"a call had not ended after {LONG:g} s"
            if gone:
                told += (
                    f": the first door was cancelled after {gone[0] - began:.2f} s, without an "
                    "answer of either, and the second one takes its time"
                )
            raise AssertionError(told)
        if task.cancelled():
            return asyncio.CancelledError()
        return task.exception() or task.result()

    async def warm_up(self, latencies: list[float]) -> None:
        """Calls one after another whose first door takes so long, and is not hurried."""
        for seconds in latencies:
            self.first.takes = seconds
            await self.call()

    async def hedged_after(self, *, slow: float = 100.0, request: Any = None) -> float | None:
        """Let `first` be slow; seconds until `second` was asked as well, None if it was not."""
        self.first.takes, self.second.takes = slow, 0.1
        began, before = self.world.time(), len(self.second.asked)
        await self.call(request)
        asked = self.second.asked[before:]
        return asked[0][0] - began if asked else None

    def assert_all_ended(self, when: str) -> None:
        """Neither door is at work any more."""
        from autograder.grading import mistake

        running = [door.name for door in (self.first, self.second) if door.running]
        assert not running, mistake(
            "leaked-task", f"When call {when}, the {' and the '.join(running)} door was at work."
        )
