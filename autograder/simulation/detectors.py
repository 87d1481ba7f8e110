"""What is wrong in any program, whatever it is meant to do.

Each detector accuses only studied code, and only when it is certain: a world that fails by
mistake would teach a learner to distrust the grader.
"""

from __future__ import annotations

import asyncio
import dis
import functools
import gc
import inspect
import sys
import warnings
from collections.abc import Coroutine
from pathlib import Path
from types import CoroutineType, FrameType
from typing import TYPE_CHECKING, Any

from .loop import lost_exception
from .ownership import OPAQUE, STUDIED
from .patches import Patches
from .problems import Crash, Problem
from .tasks import SimulatedTask, code_of
from .waits import describe_wait

if TYPE_CHECKING:
    from .world import World

_GRACE = 30.0
"""Virtual seconds a cancelled task may take to clean up after the test is over."""
_GRACE_STEPS = 5_000
_ORIGIN_DEPTH = 4
_AWAITS = {"SEND", "YIELD_VALUE", "RESUME", "CLEANUP_THROW", "JUMP_BACKWARD_NO_INTERRUPT"}
"""What a frame is at, on one Python or another, when an await of it raises."""


# -- never-awaited ------------------------------------------------------------------------------


class Unawaited:
    """Coroutines that were made and thrown away without ever being awaited."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.excused = False
        self.certain: list[Problem] = []
        self.suspected: list[Problem] = []

    def dropped(self, coro: Coroutine[Any, Any, Any]) -> None:
        """Told by the interpreter when it frees a coroutine that never ran."""
        site = self._site(coro)
        if site is None:
            return
        file, line = site
        problem = self._problem(coro, file, line)
        frame = sys._getframe(1)
        while frame is not None:
            if frame.f_lineno == line and frame.f_code.co_filename == file:
                if _waits(frame):
                    break
                self.certain.append(problem)
                return
            frame = frame.f_back  # type: ignore[assignment]
        # Dropped later, with what held it, or by an await that raised. If an exception or a
        # cancellation ended studied code, the coroutine may just not have had its turn: see
        # `confirmed`.
        if not self.excused:
            self.suspected.append(problem)

    def look_for_leftovers(self, error: BaseException) -> None:
        """After a failure, find coroutines still held by a traceback or a result."""
        told = "coroutine" in str(error)
        for thing in gc.get_objects():
            # By its type: isinstance() asks a weak proxy whose object is gone, which raises.
            if type(thing) is not CoroutineType:
                continue
            if inspect.getcoroutinestate(thing) != inspect.CORO_CREATED:
                continue
            site = self._site(thing)
            if site is not None:
                problem = self._problem(thing, site[0], site[1])
                if told:
                    self.certain.append(problem)
                elif not self.excused:
                    self.suspected.append(problem)
            thing.close()

    def confirmed(self, unwound: bool) -> list[Problem]:
        """The problems that hold; ``unwound``: an exception has ended some studied function."""
        return list(dict.fromkeys(self.certain + ([] if unwound else self.suspected)))

    def _site(self, coro: Any) -> tuple[str, int] | None:
        for file, line, _ in coro.cr_origin or ():
            kind = self._world.ownership.kind(file)
            if kind == STUDIED:
                return file, line
            if kind:
                return None
        return None

    def _problem(self, coro: Any, file: str, line: int) -> Problem:
        name = getattr(coro, "__name__", "coroutine")
        return Problem(
            "never-awaited",
            f"{name}(...) on line {line} was called but never awaited, so it never ran",
            file,
            line,
        )


def _waits(frame: FrameType) -> bool:
    """True if a frame stands at an await. A coroutine that is dropped there was waiting for its
    turn, as ``receive()`` in ``wait_for(receive(), await time_left())``, and the await raised."""
    at = frame.f_lasti
    while at > 0 and dis.opname[frame.f_code.co_code[at]] == "CACHE":
        at -= 2
    return dis.opname[frame.f_code.co_code[at]] in _AWAITS


def install(patches: Patches, current: Any) -> None:
    """Hear of coroutines that are freed without having been awaited."""

    def warn_unawaited(coro: Any) -> None:
        world = current()
        # Between two worlds only what the last one left behind is freed.
        if world is not None:
            world.unawaited.dropped(coro)

    patches.put(warnings, "_warn_unawaited_coroutine", warn_unawaited)


def track_origins() -> int:
    """Make coroutines remember where they were made; gives the depth to put back."""
    before = sys.get_coroutine_origin_tracking_depth()
    sys.set_coroutine_origin_tracking_depth(max(before, _ORIGIN_DEPTH))
    return before


# -- tasks and exceptions at the end of a world ----------------------------------------------------


def leftover_tasks(world: World) -> list[Problem]:
    """leaked-task and swallowed-cancellation, once the test's own coroutine has ended."""
    loop = world.loop
    loop.drain(_GRACE_STEPS)
    pending = [task for task in loop.tasks if _concerns(world, task) and not task.done()]
    if any(task.cancelled_at is not None for task in pending):
        _let_clean_up(world, pending)
    problems = []
    for task in pending:
        if task.done():
            continue
        if task.cancelled_at is None:
            problems.append(_leaked(world, task))
        elif loop.now - task.cancelled_at >= _GRACE or world.loop.idle():
            problems.append(_swallowed(world, task))
    return problems


def _concerns(world: World, task: SimulatedTask) -> bool:
    """True for a task that studied code made, other than the test's own and those of the dead."""
    if task.author is None or task is world.main:
        return False
    return world.deaths is None or not world.deaths.is_dead(task.process)


def stubborn_task(world: World) -> Problem | None:
    """swallowed-cancellation, when a world does not end because of a task that ignores it."""
    for task in world.all_tasks():
        asked = getattr(task, "cancelled_at", None)
        if (
            asked is not None
            and not task.done()
            and world.loop.now - asked >= _GRACE
            and _is_studied(world, task)
        ):
            return _swallowed(world, task)
    return None


def _let_clean_up(world: World, pending: list[SimulatedTask]) -> None:
    """Let cancelled tasks finish what they do on their way out, for a bounded time."""
    loop = world.loop
    waiting = [task for task in pending if task.cancelled_at is not None]
    deadline = loop.call_later(_GRACE, loop.stop)
    limit = loop.steps + _GRACE_STEPS

    def stop_when_done(_: object) -> None:
        if all(task.done() for task in waiting) or loop.steps > limit:
            loop.stop()

    for task in waiting:
        task.add_done_callback(stop_when_done)
    if not all(task.done() for task in waiting):
        world.run_on(limit)
    deadline.cancel()


def _leaked(world: World, task: SimulatedTask) -> Problem:
    wait = describe_wait(task, world.ownership)
    file, line = task.author or (wait.file, wait.line)
    where = f", made on line {line}," if line else ""
    waits = f" on line {wait.line}" if wait.line else ""
    return Problem(
        "leaked-task",
        f"{world.label(task)}{where} was still running when everything else had ended: "
        f"it waits for {wait.text}{waits}",
        file,
        line,
    )


def _swallowed(world: World, task: SimulatedTask | asyncio.Task[Any]) -> Problem:
    wait = describe_wait(task, world.ownership)
    asked = getattr(task, "cancelled_at", None)
    later = f"{world.loop.now - asked:g} seconds later" if asked is not None else "later"
    return Problem(
        "swallowed-cancellation",
        f"{world.label(task)} was cancelled but went on: {later} it waits for {wait.text}",
        wait.file,
        wait.line,
    )


def _is_studied(world: World, task: asyncio.Task[Any]) -> bool:
    code = code_of(task)
    return code is not None and world.ownership.kind(code.co_filename) == STUDIED


def lost_exceptions(world: World) -> list[Problem]:
    """Tasks of studied code that failed, and whose exception nobody ever asked for."""
    problems = []
    for task in world.loop.tasks:
        error = lost_exception(task)
        if error is None or not _concerns(world, task) or isinstance(error, Crash):
            continue
        file, line = _raised_at(world, error) or task.author or (None, None)
        problems.append(
            Problem(
                "lost-exception",
                f"{world.label(task)} failed with {_named(error)}, and nobody ever looked: "
                "the failure is lost",
                file,
                line,
            )
        )
    for report in world.loop.reports:
        error = report.get("exception")
        if report.get("task") is not None or not isinstance(error, Exception):
            continue
        if _is_a_librarys(world, report.get("handle")):
            continue
        place = _raised_at(world, error)
        if place is not None and str(report.get("message", "")).startswith("Exception in callback"):
            problems.append(
                Problem(
                    "lost-exception",
                    f"a callback failed with {_named(error)}, which only the event loop's log saw",
                    *place,
                )
            )
    return problems


def _is_a_librarys(world: World, handle: asyncio.Handle | None) -> bool:
    """True for a callback that a library has set: what it passes on to the loop is its own way of
    telling, as aio-pika's is for a consumer that fails after it has rejected its message."""
    callback = getattr(handle, "_callback", None)
    while isinstance(callback, functools.partial):
        callback = callback.func
    code = getattr(callback, "__code__", None)
    return code is not None and world.ownership.kind(code.co_filename) == OPAQUE


def _raised_at(world: World, error: BaseException) -> tuple[str, int] | None:
    place = None
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if world.ownership.kind(file) == STUDIED:
            place = (file, trace.tb_lineno)
        trace = trace.tb_next
    return place


def _named(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


# -- blocking-call ---------------------------------------------------------------------------------


def blocking_call(place: tuple[str, int], what: str, instead: str) -> Problem:
    """The problem of a call that stops the whole event loop."""
    file, line = place
    return Problem(
        "blocking-call",
        f"{what} on line {line} of {Path(file).name} stops the whole event loop, every "
        f"other task too; use {instead}",
        file,
        line,
    )
