"""When the queue is full, the one that has waited longest has to go for the one that comes: its
patience would be the first to end.

That is another rule, and whoever waits under it never knows where they are.

mistake: none
fails: test_who_finds_the_queue_full_is_refused_at_once, test_a_busy_day_goes_by_the_rules
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class BulkheadFull(Exception):
    """The call was refused: there is no place for it, and nothing was done."""


@dataclass(frozen=True)
class Limit:
    """What one dependency gets: calls under way, calls that may wait, and for how many seconds."""

    at_once: int
    waiting: int
    patience: float


class Bulkhead:
    """Keeps the calls to each dependency within its limit, and all of them within `total`."""

    def __init__(self, limits: Mapping[str, Limit], *, total: int) -> None:
        self.limits = limits
        self.total = total
        self._under_way: Counter[str] = Counter()
        # Who waits, of whatever name, in the order in which they came. Two semaphores, one in the
        # other, cannot do this: who has got one would hold it while waiting for the other.
        self._queue: list[tuple[str, asyncio.Future[None]]] = []

    async def call(self, name: str, operation: Callable[[], Awaitable[T]]) -> T:
        """What `operation` returns; BulkheadFull if it is not called at all."""
        limit = self.limits[name]
        # Nobody can be overtaken here: whoever could begin has begun when the last call ended.
        if self._has_place(name):
            self._under_way[name] += 1
        else:
            await self._wait(name, limit)
        try:
            return await operation()
        finally:
            self._leave(name)

    def _has_place(self, name: str) -> bool:
        full = self._under_way.total() >= self.total
        return not full and self._under_way[name] < self.limits[name].at_once

    def _leave(self, name: str) -> None:
        """A place is free. It is taken for the next one here and now, and not when that one runs:
        so nobody who comes in between can have it."""
        self._under_way[name] -= 1
        for place in list(self._queue):
            other, turn = place
            if not turn.done() and self._has_place(other):
                self._queue.remove(place)
                self._under_way[other] += 1
                turn.set_result(None)

    async def _wait(self, name: str, limit: Limit) -> None:
        """Return with a place, or raise without one."""
        if sum(other == name for other, _ in self._queue) >= limit.waiting:
            oldest = next((place for place in self._queue if place[0] == name), None)
            if oldest is None:
                raise BulkheadFull(f"{name}: nobody may wait")
            self._queue.remove(oldest)
            oldest[1].set_exception(BulkheadFull(f"{name}: somebody came later"))
        loop = asyncio.get_running_loop()
        place = name, loop.create_future()
        turn = place[1]

        def give_up() -> None:
            if not turn.done():
                self._queue.remove(place)
                turn.set_exception(BulkheadFull(f"{name}: no place within {limit.patience:g} s"))

        self._queue.append(place)
        timer = loop.call_later(limit.patience, give_up)
        try:
            await turn
        except asyncio.CancelledError:
            if place in self._queue:
                self._queue.remove(place)
            elif not turn.cancelled() and turn.exception() is None:
                self._leave(name)  # given a place and cancelled in one moment: hand it on
            raise
        finally:
            timer.cancel()
