"""What the graders of module 03 measure beside the shops' own books."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
import traceback
from collections.abc import AsyncIterator, Iterator, Sequence
from decimal import InvalidOperation
from pathlib import Path
from typing import Any

import aiohttp

from autograder.course.programs.scraper.shops import Visit
from autograder.simulation import current_settings

_JSON = str(Path(json.__file__).parent)


def comes_from_a_request(error: BaseException) -> bool:
    """Whether `error` is what a request raises that fails, or whose answer is no JSON."""
    if isinstance(error, BaseExceptionGroup):
        return all(comes_from_a_request(inner) for inner in error.exceptions)
    if isinstance(error, RecursionError):  # of an answer, if it is json that went too deep
        frames = traceback.extract_tb(error.__traceback__)
        return frames[-1].filename.startswith(_JSON)
    # TimeoutError is an OSError, and what json.loads raises is a ValueError.
    return isinstance(error, aiohttp.ClientError | OSError | json.JSONDecodeError)


def comes_from_a_page(error: BaseException, page_error: type[Exception]) -> bool:
    """Whether `error` is what a page causes that fails, or that nobody can read.

    `page_error` is what the given half of scraper.py raises for the latter. Every other error that
    leaves the scraper is a slip in it, and says by itself what is wrong.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(comes_from_a_page(inner, page_error) for inner in error.exceptions)
    return comes_from_a_request(error) or isinstance(error, page_error | UnicodeError)


def comes_from_reading(error: BaseException) -> bool:
    """Whether `error` is raised by a line of the learner's that reads an odd answer."""
    if isinstance(error, BaseExceptionGroup):
        return all(comes_from_reading(inner) for inner in error.exceptions)
    kinds = (ValueError, LookupError, TypeError, AttributeError, InvalidOperation)
    # An error with another one behind it is a slip of the `except` that was to deal with that one.
    in_handler = error.__context__ is not None and error.__cause__ is None
    return isinstance(error, kinds) and not in_handler and learners_line(error) is not None


def learners_line(error: BaseException) -> traceback.FrameSummary | None:
    """The line of the learner's at which `error` was raised; None if it was raised elsewhere.

    What json raises counts as raised by the line that called it.
    """
    if isinstance(error, BaseExceptionGroup):
        return learners_line(error.exceptions[0])
    frames = traceback.extract_tb(error.__traceback__)
    while frames and frames[-1].filename.startswith(_JSON):
        frames.pop()
    return frames[-1] if frames and current_settings().learner(frames[-1].filename) else None


def pending_tasks() -> list[asyncio.Task[Any]]:
    """The tasks that have not ended and whose code is the learner's; aiohttp's own are not."""
    found = []
    for task in asyncio.all_tasks():
        code = getattr(task.get_coro(), "cr_code", None)
        if code is not None and current_settings().learner(code.co_filename):
            found.append(task)
    return found


def short(value: object, width: int = 80) -> str:
    """The repr of `value` in at most `width` characters."""
    text = repr(value)
    return text if len(text) <= width else text[: width - 1] + "…"


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
