"""Jobs for a scope, and how a block that runs them ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import Any

from autograder.simulation import World


class SourceDown(Exception):
    """What a failing job raises."""


class Jobs:
    """Makes jobs and knows which of them are running."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.started: dict[str, float] = {}
        self.running: set[str] = set()
        self.cancelled: set[str] = set()

    async def job(
        self,
        name: str,
        *,
        after: float,
        error: Exception | None = None,
        tidy: float = 0.0,
        tidy_error: Exception | None = None,
        then: Callable[[], object] | None = None,
    ) -> str:
        """Returns its name or raises `after` seconds; tidying up takes `tidy` seconds.

        `then` is called at the end of the work, and may start another job.
        """
        self.started[name] = self.world.time()
        self.running.add(name)
        try:
            await asyncio.sleep(after)
            if error is not None:
                raise error
            if then is not None:
                then()
            return name
        except asyncio.CancelledError:
            self.cancelled.add(name)
            raise
        finally:
            # Whatever happens to the waiting, what comes after it is done.
            try:
                if tidy:
                    await asyncio.sleep(tidy)
            finally:
                self.running.discard(name)
            if tidy_error is not None:
                raise tidy_error

    def named(self) -> str:
        """The jobs that are running, in words."""
        return ", ".join(sorted(self.running))


class Ending:
    """How a block ended: what it returned or raised."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.cancelled = task.cancelled()
        self.error = None if self.cancelled else task.exception()
        self.result = None if self.cancelled or self.error else task.result()

    def __str__(self) -> str:
        if self.cancelled:
            return "was cancelled"
        return f"raised {self.error!r}" if self.error else f"returned {self.result!r}"


def scope_of(submission: ModuleType, seconds: float | None = None) -> Any:
    """A scope, if it is something that `async with` can use."""
    scope = submission.task_scope(seconds=seconds)
    kind = type(scope).__name__
    assert hasattr(scope, "__aenter__"), (
        f"task_scope() gives something of type {kind}, which is nothing for `async with`; is "
        "@contextlib.asynccontextmanager missing?"
    )
    return scope


async def ending_of(block: Coroutine[Any, Any, Any], within: float) -> Ending | None:
    """Run a block in a task of its own; None if it has not ended in `within` seconds."""
    task = asyncio.create_task(block)
    await asyncio.wait([task], timeout=within)
    if not task.done():
        return None
    ending = Ending(task)
    if isinstance(ending.error, AssertionError):
        raise ending.error
    return ending


def names_in(group: BaseExceptionGroup[BaseException]) -> list[str]:
    """What the exceptions of a group, and of groups in it, are about."""
    names: list[str] = []
    for error in group.exceptions:
        names += names_in(error) if isinstance(error, BaseExceptionGroup) else [str(error)]
    return sorted(names)


def assert_group(ending: Ending, expected: list[str]) -> None:
    """The block has raised an ExceptionGroup with the exceptions of these names."""
    assert isinstance(ending.error, ExceptionGroup), (
        f"{', '.join(expected)} raised, but the block {ending} instead of raising an ExceptionGroup"
    )
    names = names_in(ending.error)
    assert names == expected, f"the group holds the exceptions {names}, raised were {expected}"
