"""Projectors at work on a read model, and what is asked of them, for graders."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..mistakes import mistake
from .order_log import Events, LogOf, story
from .read_model import ReadModel, Seen

if TYPE_CHECKING:
    from autograder.simulation import World

Model = Callable[[Events], ReadModel]
Test = Callable[..., Coroutine[Any, Any, None]]


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
        model.at_work.append(asyncio.create_task(work, name=name))
    return model.at_work[-1]


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
        model.at_work.append(asyncio.create_task(work, name=name))
    return model.at_work[-1]


def unless_it_cannot_count(test: Test) -> Test:
    """Wrong rows may have the simplest of causes: one that counts wrongly where nothing goes wrong.
    So whoever fails a test is tried alone, and that is what is told if it fails there, too."""

    @functools.wraps(test)
    async def tried(world: World, submission: ModuleType, model: Model, **more: Any) -> None:
        failure = None
        try:
            await test(world, submission, model, **more)
        except AssertionError as error:
            failure = error
        if failure is not None:
            await _assert_it_can_count(world, submission, model)
            raise failure

    return tried


async def _assert_it_can_count(world: World, submission: ModuleType, model: Model) -> None:
    submission.restart()
    events = Events(world, submission)
    there = model(events)
    projecting = run_project(submission, events, there, "project, alone")
    for told in story(4):
        events.add(told)
        await there.until(events.last, 10)
        await asyncio.wait([projecting], timeout=0.2)
        _assert_true_alone(there, "project")
        if projecting.done():
            break
    projecting.cancel()
    rebuilding = run_rebuild(submission, events, there, "rebuild, alone")
    await asyncio.wait([projecting, rebuilding], timeout=10)
    rebuilding.cancel()
    await asyncio.wait([rebuilding], timeout=10)
    _assert_true_alone(there, "rebuild")


def _assert_true_alone(there: ReadModel, name: str) -> None:
    now = there.look()
    assert now is None or there.is_true(now), (
        f"nothing had gone wrong, and {name} was alone. The checkpoint says {now.position}, and "
        f"the rows are not those of it.\n"
        f"  there are {now.rows}\n  expected  {there.events.rows(now.position)}"
    )
