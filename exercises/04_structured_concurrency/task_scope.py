"""A scope for jobs: none of them outlives it.

A report is put together from a dozen sources. Each source is a job of its own, some of them start
further jobs when they see what there is to fetch, and all of it has to be done in so many seconds.
When one fails, the report is worthless, and the rest should stop at once. Whatever happens: when
the block has ended, nothing of it is running any more.

Write `task_scope`, which is used like this:

    async with task_scope(seconds=10) as scope:
        prices = scope.start(fetch_prices())
        stock = scope.start(fetch_stock())
    print(prices.result(), stock.result())

Write it as you like, as a class or as a function with @contextlib.asynccontextmanager. What
`async with` gives is an object with the method `start`, as in `Scope` below.

Rules
  1. `scope.start(job)` starts a coroutine beside the block and returns its asyncio.Task at once.
     The block may call it, and so may every job, as long as the scope has not ended.
  2. The scope ends when the block and all jobs have ended, those too that a job started last.
  3. If the block or a job raises an exception, everything else is cancelled: the other jobs, and
     the block if it is still at work. When all of it has ended, the scope raises an ExceptionGroup
     with every exception that was raised, also those that jobs raise while they end.
  4. `seconds` after its beginning, the scope cancels what is still at work, the block and the jobs.
     When all of it has ended, it raises TimeoutError. With None there is no limit, with 0 no time.
  5. If the task around it is cancelled, so are the jobs. When all of them have ended, the
     cancellation goes on to the caller, also if the time was up before.
  6. A job that is cancelled by hand, with `task.cancel()`, is no failure: the others go on.
  7. However a scope ends, it leaves nothing behind: the caller can go on, and an asyncio.timeout
     around the scope still works as it should.
  8. After its end, `start` raises RuntimeError.

Out of scope: jobs that refuse to be cancelled, jobs that are started while everything is being
cancelled, exceptions during the clean-up after a timeout or a cancellation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Scope(Protocol):
    """What `async with task_scope()` gives."""

    def start(self, job: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a job beside the block; RuntimeError if the scope has ended."""
        ...


def task_scope(seconds: float | None = None) -> AbstractAsyncContextManager[Scope]:
    """Make a scope that ends after `seconds` at most; none of its jobs outlives it."""
    raise NotImplementedError
