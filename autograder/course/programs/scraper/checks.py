"""What the graders of module 03 measure beside the shops' own books."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from decimal import InvalidOperation
from typing import Any

import aiohttp

from autograder.course.programs.scraper.shops import Visit


def comes_from_the_service(error: BaseException) -> bool:
    """Whether `error` is what a service's answers raise, and not a slip in the code."""
    if isinstance(error, BaseExceptionGroup):
        return all(comes_from_the_service(inner) for inner in error.exceptions)
    kinds = (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError, InvalidOperation)
    return isinstance(error, kinds)


@contextlib.contextmanager
def counted_sessions() -> Iterator[list[aiohttp.ClientSession]]:
    """A list to which every ClientSession opened in this block is added."""
    sessions: list[aiohttp.ClientSession] = []
    original = aiohttp.ClientSession.__init__

    @functools.wraps(original)
    def counted(self: aiohttp.ClientSession, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        sessions.append(self)

    aiohttp.ClientSession.__init__ = counted  # type: ignore[method-assign]
    try:
        yield sessions
    finally:
        aiohttp.ClientSession.__init__ = original  # type: ignore[method-assign]


class Heartbeat:
    """The times, in seconds of the loop, at which another task had its turn."""

    def __init__(self) -> None:
        self.beats: list[float] = []

    def longest_gap(self) -> float:
        """The longest time between two turns; they are meant to be 0.1 s apart."""
        return max(later - earlier for earlier, later in itertools.pairwise(self.beats))

    async def beat(self) -> None:
        """Note the time, for ever."""
        while True:
            self.beats.append(asyncio.get_running_loop().time())
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def heartbeat() -> AsyncIterator[Heartbeat]:
    """A task that wants a turn every 0.1 s, beside whatever runs in this block."""
    heart = Heartbeat()
    heart.beats.append(asyncio.get_running_loop().time())
    task = asyncio.create_task(heart.beat())
    try:
        yield heart
    finally:
        task.cancel()
        await asyncio.wait([task])
        heart.beats.append(asyncio.get_running_loop().time())


def overlapping(visits: Sequence[Visit]) -> int:
    """How many pairs of these visits were being answered at one moment."""
    return sum(
        one.started < (other.ended or 0.0) and other.started < (one.ended or 0.0)
        for one, other in itertools.combinations(visits, 2)
    )
