"""A deadline inside another one replaces it, so whoever is further in can give themselves time.

mistake: timeout-per-hop
fails: test_the_earliest_deadline_counts
"""

import asyncio
from contextlib import asynccontextmanager
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("_deadline", default=None)


@asynccontextmanager
async def deadline(seconds: float):
    loop = asyncio.get_running_loop()
    token = _deadline.set(loop.time() + seconds)
    try:
        async with asyncio.timeout(seconds):
            yield
    finally:
        _deadline.reset(token)


def time_left() -> float | None:
    if (moment := _deadline.get()) is None:
        return None
    return max(0.0, moment - asyncio.get_running_loop().time())


async def call(service, *, at_most: float | None = None):
    left = time_left()
    if left is None:
        seconds = at_most
    elif at_most is None:
        seconds = left
    else:
        seconds = min(left, at_most)
    if seconds == 0:
        raise TimeoutError
    async with asyncio.timeout(seconds):
        return await service(seconds)
