"""asyncio.timeout for the time, and for the jobs a set, asyncio.wait in a loop, and counting."""

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


@asynccontextmanager
async def task_scope(seconds=None):
    """asyncio.timeout for the time, asyncio.wait for the jobs."""
    async with asyncio.timeout(seconds):
        me = asyncio.current_task()
        before = me.cancelling()
        jobs, errors, state = set(), [], {"open": True, "block": True, "asked": False}

        def abort():
            for job in jobs:
                job.cancel()

        def done(task):
            jobs.discard(task)
            if task.cancelled() or task.exception() is None:
                return
            errors.append(task.exception())
            abort()
            if state["block"] and not state["asked"]:
                state["asked"] = True
                me.cancel()

        class S:
            def start(self, job):
                if not state["open"]:
                    job.close()
                    raise RuntimeError("closed")
                t = asyncio.create_task(job)
                jobs.add(t)
                t.add_done_callback(done)
                return t

        cancelled = None
        try:
            yield S()
        except asyncio.CancelledError as e:
            abort()
            cancelled = e
        except Exception as e:
            errors.append(e)
            abort()
        state["block"] = False
        while jobs:
            try:
                await asyncio.wait(jobs)
            except asyncio.CancelledError as e:
                cancelled = e
                abort()
        state["open"] = False
        if state["asked"] and me.uncancel() <= before:
            cancelled = None
        if cancelled is not None:
            raise cancelled
        if errors:
            raise ExceptionGroup("jobs failed", errors)
