"""A timer cancels the block and leaves a flag, and whatever is cancelled after that was the timer.

The timer strikes, the jobs clean up, and meanwhile the server shuts down: that was somebody else,
and the flag cannot tell. The shutdown becomes a TimeoutError, which is retried.

mistake: cancel-becomes-timeout
fails: test_a_cancellation_after_its_time_goes_on
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Scope(Protocol):
    """What `async with task_scope()` gives."""

    def start(self, job: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a job beside the block; RuntimeError if the scope has ended."""
        ...


class GroupScope:
    def __init__(self, group):
        self.group = group

    def start(self, job):
        return self.group.create_task(job)


@asynccontextmanager
async def task_scope(seconds: float | None = None):
    """Make a scope that ends after `seconds` at most; none of its jobs outlives it."""
    me = asyncio.current_task()
    struck = False

    def strike():
        nonlocal struck
        struck = True
        me.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, strike) if seconds is not None else None
    try:
        async with asyncio.TaskGroup() as group:
            yield GroupScope(group)
    except asyncio.CancelledError:
        if not struck:
            raise
        me.uncancel()
        raise TimeoutError from None
    finally:
        if timer:
            timer.cancel()
