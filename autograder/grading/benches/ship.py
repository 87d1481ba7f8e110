"""A ship behind a Bulkhead: calls to its dependencies, and what became of each of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from types import ModuleType
from typing import Any

from autograder.simulation import World

HAIR = 0.001
"""Seconds by which everything may be late."""
LONG = 400.0
"""Seconds after which a call that has not ended never will."""


class Leak(Exception):
    """What an operation raises."""


class Ship:
    """Its limits are given as (at_once, waiting, patience), by name."""

    def __init__(
        self,
        submission: ModuleType,
        world: World,
        *,
        total: int,
        **limits: tuple[int, int, float],
    ) -> None:
        self.submission = submission
        self.world = world
        self.total = total
        self.limits = {name: submission.Limit(*numbers) for name, numbers in limits.items()}
        self.bulkhead = submission.Bulkhead(self.limits, total=total)
        self.under_way: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()
        self.peak_of_all = 0
        self.came: dict[str, float] = {}
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}
        self.outcome: dict[str, Any] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def call(
        self,
        who: str,
        name: str,
        takes: float = 1.0,
        *,
        tidy: float = 0.0,
        leaks: bool = False,
        until: asyncio.Event | None = None,
        again: int | None = None,
        then: Callable[[], object] = lambda: None,
    ) -> asyncio.Task[None]:
        """A call in a task of its own; `tidy` seconds for its clean-up, `leaks` if it raises.

        It takes so many seconds, or lasts `until` this happens. With `again` the same task calls
        once more, as "... again", so many turns of the loop after its call has ended.
        """

        async def caller() -> None:
            await self._call(who, name, takes, tidy, leaks, until, then)
            if again is not None:
                for _ in range(again):
                    await asyncio.sleep(0)
                await self._call(f"{who} again", name, takes, tidy, leaks, until, then)

        self.tasks[who] = asyncio.create_task(caller(), name=who)
        return self.tasks[who]

    async def _call(
        self,
        who: str,
        name: str,
        takes: float,
        tidy: float,
        leaks: bool,
        until: asyncio.Event | None,
        then: Callable[[], object],
    ) -> None:
        async def operation() -> str:
            self.began[who] = self.world.time()
            self.under_way[name] += 1
            self.peak[name] = max(self.peak[name], self.under_way[name])
            self.peak_of_all = max(self.peak_of_all, self.under_way.total())
            try:
                await (asyncio.sleep(takes) if until is None else until.wait())
                if leaks:
                    raise Leak(who)
                return f"answer to {who}"
            finally:
                try:
                    if tidy:
                        await asyncio.sleep(tidy)
                finally:
                    self.under_way[name] -= 1

        self.came[who] = self.world.time()
        outcome: Any = "cancelled"
        try:
            outcome = await self.bulkhead.call(name, operation)
        except self.submission.BulkheadFull:
            outcome = "refused"
        except Leak:
            outcome = "raised"
        except KeyError:
            outcome = "KeyError"
        finally:
            self.outcome[who] = outcome
            self.ended[who] = self.world.time()
            then()

    def answered(self, who: str) -> bool:
        """Did the caller get the answer?"""
        return bool(self.outcome.get(who) == f"answer to {who}")

    def waiting(self) -> list[str]:
        """Who has neither begun nor ended."""
        return [who for who in self.came if who not in self.began and who not in self.outcome]

    async def settle(self, within: float = LONG) -> list[str]:
        """Wait until every call has ended; the names of those that never do."""
        await asyncio.wait(self.tasks.values(), timeout=within)
        stuck = [who for who, task in self.tasks.items() if not task.done()]
        for task in self.tasks.values():
            task.cancel()
        for error in await asyncio.gather(*self.tasks.values(), return_exceptions=True):
            if isinstance(error, Exception):
                raise error
        return stuck

    async def places(self, name: str) -> int:
        """How many calls of a name can be under way now, if that many come."""
        many = self.limits[name].at_once + 2
        visitors = [f"{name} visitor {number + 1}" for number in range(many)]
        enough = asyncio.Event()
        tasks = [self.call(who, name, until=enough) for who in visitors]
        await asyncio.sleep(HAIR)
        count = self.under_way[name]
        enough.set()  # not cancelled: who cannot bear that has another problem
        await asyncio.wait(tasks, timeout=LONG)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return count
