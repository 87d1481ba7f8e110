"""An event for each who waits, asyncio.timeout for the deadline, and a place that is owned.

Whoever leaves gives back the place that it owns, if it owns one, whatever it is that ends it. So
the moment in which it is given a place and goes needs no case of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class Overloaded(Exception):
    """No."""


class Visit:
    def __init__(self) -> None:
        self.called = asyncio.Event()
        self.has_worker = False
        self.leaving = False


class Shedder:
    def __init__(
        self,
        handler: Callable[[Any], Awaitable[Any]],
        *,
        workers: int,
        capacity: int,
        deadline: float,
    ) -> None:
        self._handler = handler
        self._workers = workers
        self._capacity = capacity
        self._deadline = deadline
        self._room: dict[Visit, None] = {}

    async def submit(self, request: Any) -> Any:
        visit = Visit()
        self._room[visit] = None
        try:
            self._call_in()
            if not visit.has_worker:
                await self._wait(visit)
            return await self._handler(request)
        finally:
            self._room.pop(visit, None)
            if visit.has_worker:
                self._workers += 1
                self._call_in()

    async def _wait(self, visit: Visit) -> None:
        if len(self._room) > self._capacity:
            oldest = next(iter(self._room))
            del self._room[oldest]
            oldest.called.set()
        try:
            async with asyncio.timeout(self._deadline):
                await visit.called.wait()
        except TimeoutError:
            raise Overloaded("waited for too long") from None
        if not visit.has_worker:
            raise Overloaded("too many newer ones")

    def _call_in(self) -> None:
        while self._workers and self._room:
            visit, _ = self._room.popitem()
            visit.has_worker = True
            self._workers -= 1
            visit.called.set()
