"""The block has one timeout around everything, and still no call knows about it.

The page ends on time. But the services are told they have a second when there are 0.4 seconds left,
plan for a second, and do work that nobody will see.

mistake: timeout-per-hop
fails: test_a_call_is_told_what_is_left, test_a_slow_service_is_given_up,
    test_without_time_nobody_is_asked
"""

import asyncio
import time
from contextlib import asynccontextmanager
from contextvars import ContextVar

until = ContextVar("until")


@asynccontextmanager
async def deadline(seconds):
    end = min(time.monotonic() + seconds, until.get(float("inf")))
    token = until.set(end)
    try:
        async with asyncio.timeout(seconds):
            yield
    finally:
        until.reset(token)


def time_left():
    try:
        return max(0.0, until.get() - time.monotonic())
    except LookupError:
        return None


async def call(service, *, at_most=None):
    async with asyncio.timeout(at_most):
        return await service(at_most)
