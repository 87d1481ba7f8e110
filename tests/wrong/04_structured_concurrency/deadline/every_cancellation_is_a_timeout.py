"""Catches CancelledError in `call` and says that it was the time.

"Whoever cancels a call does it because it takes too long." A user who closes the window, a server
that shuts down and a group whose other task has failed do it, too.

mistake: cancel-becomes-timeout
fails: test_a_cancellation_stays_a_cancellation, test_cancelled_at_any_moment_it_cleans_up
"""

import asyncio
from contextlib import asynccontextmanager
from contextvars import ContextVar

UNTIL = ContextVar("UNTIL", default=None)


@asynccontextmanager
async def deadline(seconds):
    mine = asyncio.get_running_loop().time() + seconds
    theirs = UNTIL.get()
    token = UNTIL.set(mine if theirs is None else min(mine, theirs))
    try:
        async with asyncio.timeout_at(UNTIL.get()):
            yield
    finally:
        UNTIL.reset(token)


def time_left():
    if UNTIL.get() is None:
        return None
    return max(0.0, UNTIL.get() - asyncio.get_running_loop().time())


async def call(service, *, at_most=None):
    seconds = min([s for s in (time_left(), at_most) if s is not None], default=None)
    if seconds == 0.0:
        raise TimeoutError
    try:
        async with asyncio.timeout(seconds):
            return await service(seconds)
    except asyncio.CancelledError:
        raise TimeoutError(f"no answer within {seconds} s") from None
