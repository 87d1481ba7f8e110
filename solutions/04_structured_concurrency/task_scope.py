"""A scope for jobs: none of them outlives it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Scope(Protocol):
    """What `async with task_scope()` gives."""

    def start(self, job: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a job beside the block; RuntimeError if the scope has ended."""
        ...


class _Scope:
    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group

    def start(self, job: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self._group.create_task(job)


@asynccontextmanager
async def task_scope(seconds: float | None = None) -> AsyncIterator[Scope]:
    """Make a scope that ends after `seconds` at most; none of its jobs outlives it."""
    # The timeout is around the group, and not inside: a group waits for its jobs when its block
    # has ended, and that is where the time goes. When the time is up the timeout cancels this task,
    # the group hands that on to the jobs and waits for them, and the timeout, which knows its own
    # cancellation from any other, makes a TimeoutError of it.
    async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
        yield _Scope(group)
