"""Projectors at work on a read model, and what is asked of them, for graders."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from types import ModuleType

from ..mistakes import mistake
from .order_log import Events, LogOf
from .read_model import ReadModel, Seen


def run_project(
    submission: ModuleType,
    events: Events,
    model: ReadModel,
    name: str = "the projector",
    *,
    batch: int = 100,
    log: LogOf | None = None,
) -> asyncio.Task[None]:
    """A projector, as a process of its own."""
    log = log or LogOf(events, name)
    with events.world.network.at(name):
        work = submission.project(log, model.path, batch=batch)
        return asyncio.create_task(work, name=name)


async def stopped(projector: asyncio.Task[None]) -> None:
    """Cancel a projector, and wait until it has ended; raises what it raised before."""
    if projector.done():
        projector.result()
        raise AssertionError("project returned; it runs until it is cancelled")
    projector.cancel()
    await asyncio.wait([projector], timeout=10)
    assert projector.done(), "project was cancelled, and 10 s later it is still running"
    with suppress(asyncio.CancelledError):
        projector.result()
        raise AssertionError("project was cancelled, and returned as if it were done")
    await asyncio.sleep(0.1)


def assert_counted_once(model: ReadModel, seen: Seen, said: str) -> None:
    """The rows are those of the checkpoint. ``said`` is what had happened."""
    if model.is_true(seen):
        return
    twice = model.counted_twice(seen)
    assert twice is None, mistake(
        "double-count", f"{said}. Up to position {seen.position} {twice}."
    )
    raise AssertionError(
        f"{said}. The checkpoint says {seen.position}, and the rows are not those of it.\n"
        f"  there are {seen.rows}\n  expected  {model.events.rows(seen.position)}"
    )


def assert_not_locked_out(projector: asyncio.Task[None]) -> None:
    """A projector has not ended because another one wrote as well."""
    if not projector.done():
        return
    error = projector.exception()
    name = projector.get_name()
    code = error.sqlite_errorcode if isinstance(error, sqlite3.OperationalError) else None
    assert code != sqlite3.SQLITE_BUSY_SNAPSHOT, mistake(
        "begins-as-reader",
        f"Two projectors ran, and {name} raised {error!r}, without having waited: its transaction "
        "had begun with a SELECT, the other one wrote, and then it wanted to write, too.",
    )
    assert not isinstance(error, sqlite3.IntegrityError), mistake(
        "double-count",
        f"Two projectors ran on one database, and {name} raised {error!r}: it made the row of an "
        "order for which the other one had made it already.",
    )
    assert error is None, f"two projectors ran on one database, and {name} raised {error!r}"
    raise AssertionError(f"project returned ({name}); it runs until it is cancelled")


def run_rebuild(
    submission: ModuleType,
    events: Events,
    model: ReadModel,
    name: str = "the rebuild",
    *,
    batch: int = 100,
    log: LogOf | None = None,
) -> asyncio.Task[None]:
    """A rebuild, as a process of its own."""
    log = log or LogOf(events, name)
    with events.world.network.at(name):
        work = submission.rebuild(log, model.path, batch=batch)
        return asyncio.create_task(work, name=name)
