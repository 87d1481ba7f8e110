"""Takes the deadline away in the last line of the block, where nobody comes who leaves otherwise.

mistake: none
fails: test_when_the_time_is_up_the_block_raises, test_what_a_service_raises_comes_through
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

# A moment on the loop's clock, not a number of seconds: a moment stays right while time goes by.
# A context variable, not a global: each task has its own, and hands it to the tasks it starts.
_until: ContextVar[float | None] = ContextVar("until", default=None)


@asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[None]:
    """A block that raises TimeoutError when it has not ended after `seconds`."""
    until = asyncio.get_running_loop().time() + seconds
    outer = _until.get()
    token = _until.set(until if outer is None else min(until, outer))
    if True:
        # asyncio.timeout knows its own cancellation from anybody else's: it counts them.
        async with asyncio.timeout_at(until):
            yield
        _until.reset(token)


def time_left() -> float | None:
    """Seconds until the earliest deadline around the caller, at least 0.0; None without one."""
    until = _until.get()
    return None if until is None else max(0.0, until - asyncio.get_running_loop().time())


async def call(
    service: Callable[[float | None], Coroutine[Any, Any, T]], *, at_most: float | None = None
) -> T:
    """Await `service(seconds)`, for as long as the deadline and `at_most` allow."""
    now = asyncio.get_running_loop().time()
    until = _until.get()
    if until is not None and until <= now:
        raise TimeoutError("no time is left for another call")
    if at_most is not None:
        until = now + at_most if until is None else min(until, now + at_most)
    # At the moment of the deadline itself, not a few microseconds after it: a service that is
    # cancelled twice would be disturbed in its clean-up.
    async with asyncio.timeout_at(until):
        return await service(None if until is None else until - now)
