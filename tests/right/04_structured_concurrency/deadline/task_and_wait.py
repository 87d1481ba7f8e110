"""`call` runs the service in a task of its own and waits for it with asyncio.wait.

More code than a timeout, and right: it waits for the clean-up, however often it is cancelled, and
tells whose cancellation it was by who sent it.
"""

import asyncio
import time
from contextlib import asynccontextmanager
from contextvars import ContextVar

_moments = ContextVar("moments", default=())


@asynccontextmanager
async def deadline(seconds):
    moment = time.monotonic() + seconds
    token = _moments.set((*_moments.get(), moment))
    try:
        async with asyncio.timeout(seconds):
            yield
    finally:
        _moments.reset(token)


def time_left():
    moments = _moments.get()
    if not moments:
        return None
    return max(min(moments) - time.monotonic(), 0.0)


async def call(service, *, at_most=None):
    seconds = time_left()
    if seconds == 0.0:
        raise TimeoutError("there is no time for this")
    if seconds is None or (at_most is not None and at_most < seconds):
        seconds = at_most
    task = asyncio.create_task(service(seconds))
    try:
        await asyncio.wait([task], timeout=seconds)
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait([task])
    except asyncio.CancelledError:
        if task.done() and not task.cancelled():
            task.exception()
        if not task.done():
            await end(task)
        raise
    if task.cancelled():
        raise TimeoutError(f"no answer within {seconds} s")
    return task.result()


async def end(task):
    task.cancel()
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            continue  # the first one is raised again by the caller
    if not task.cancelled():
        task.exception()
