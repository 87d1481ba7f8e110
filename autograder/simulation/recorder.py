"""Remembers what happens in a world, when someone will want to read it."""

from __future__ import annotations

import asyncio
import linecache
import sys
from collections import deque
from dataclasses import replace
from pathlib import PurePath
from types import FrameType
from typing import TYPE_CHECKING, Any

from .events import Event
from .loop import START
from .ownership import STUDIED, is_asyncio
from .tasks import code_of
from .waits import describe_wait
from .words import shown

if TYPE_CHECKING:
    from .world import World

_MAX_EVENTS = 20_000
"""Of a long world the end is kept: that is where it failed."""
_ENDS_AN_AWAIT = (StopIteration, StopAsyncIteration)
_PARTS = {"timeouts.py": "a timeout", "taskgroups.py": "its task group", "runners.py": "the runner"}


def _asyncio_part() -> str:
    """Which part of asyncio is at work, when no task is."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if is_asyncio(file):
            name = _PARTS.get(PurePath(file).name)
            if name is not None:
                return name
        frame = frame.f_back
    return ""


def _is_inside_wait_for(frame: FrameType | None) -> bool:
    """True if asyncio.wait_for makes a task for what it waits for, as it did before Python 3.12.

    In a library that is a detail of it: what such a task does, its caller does.
    """
    while frame is not None and is_asyncio(frame.f_code.co_filename):
        if frame.f_code.co_name == "wait_for":
            return True
        frame = frame.f_back
    return False


class Silence:
    """The recorder of a world that nobody will read."""

    events: deque[Event] = deque()  # noqa: RUF012 (never written to)
    unwound = False

    def cancelled(self, task: asyncio.Task[Any]) -> None: ...

    def spawned(self, task: asyncio.Task[Any]) -> None: ...

    def ran(self, handle: asyncio.Handle) -> None: ...

    def add(self, kind: str, text: str, lane: str | None = None, key: str = "") -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class _Hook:
    """The trace function of a frame.

    A suspended coroutine keeps it where the garbage collector may not look for it: so it must let
    go of the recorder, and with it of the world.
    """

    recorder: Recorder | None = None

    def __call__(self, frame: FrameType, event: str, arg: Any) -> _Hook:
        if self.recorder is not None:
            self.recorder.step(frame, event, arg)
        return self


class Recorder(Silence):
    """The recorder of a traced world: its events, and whether an exception left studied code."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.events = deque(maxlen=_MAX_EVENTS)
        self._raising: tuple[FrameType, int] | None = None
        self._at: tuple[FrameType, int] | None = None
        self._tracing = False
        self._newborn: asyncio.Task[Any] | None = None
        self._standing_in: dict[asyncio.Task[Any], str] = {}
        self._hook = _Hook()

    # -- told by the world --------------------------------------------------------------------

    def add(self, kind: str, text: str, lane: str | None = None, key: str = "") -> None:
        """Record one event at the place where studied code stands now, if it runs."""
        place = self._world.ownership.here()
        self._append(kind, text, self.lane() if lane is None else lane, place, key)

    def spawned(self, task: asyncio.Task[Any]) -> None:
        place = self._world.ownership.author(sys._getframe(1))
        if place is not None:
            self._append("spawn", "", self.lane(), place)
            self._newborn = task
        elif _is_inside_wait_for(sys._getframe(2)):
            self._standing_in[task] = self.lane()

    def cancelled(self, task: asyncio.Task[Any]) -> None:
        if self._is_housekeeping(task):
            return
        frame = self._world.ownership.nearest(sys._getframe(1))
        place = (frame.f_code.co_filename, frame.f_lineno) if frame else None
        by = self.lane() or _asyncio_part()
        main = self._world.main
        by_main = main is not None and asyncio.current_task(self._world.loop) is main
        if frame is not None and main and by_main and frame.f_code is not code_of(main):
            by = frame.f_code.co_name  # studied code that the test has called, not the test
        self._append("cancel", by, self._world.label(task), place)

    def ran(self, handle: asyncio.Handle) -> None:
        """One callback has run: say where its task stands now."""
        task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
        if not isinstance(task, asyncio.Task):
            return
        if not task.done():
            self._record_wait(task)
        elif self._world.has_label(task):
            self._record_end(task)

    # -- how studied code runs, line by line ---------------------------------------------------

    def start(self) -> None:
        """Watch the lines of studied code, unless a debugger or coverage is watching already."""
        if sys.gettrace() is None:
            self._tracing = True
            self._hook.recorder = self
            sys.settrace(self._enter)

    def stop(self) -> None:
        self._name_newborn()
        if self._tracing:
            sys.settrace(None)
            self._tracing = False
            self._hook.recorder = self._raising = self._at = None

    def _enter(self, frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        if self._world.ownership.kind(code.co_filename) != STUDIED:
            return None
        if code.co_name.startswith("<"):  # a lambda's line would read as the line that made it
            return None
        return self._hook

    def step(self, frame: FrameType, event: str, arg: Any) -> None:
        """One event in a frame of studied code."""
        if event == "line":
            again, self._at = self._at == (frame, frame.f_lineno), None
            if again or self._raising == (frame, frame.f_lineno):
                return  # 3.12 and later report a line again as an exception or an await leaves it
            self._raising = None
            code = frame.f_code
            text = linecache.getline(code.co_filename, frame.f_lineno).strip()
            self._append("line", text, self.lane(), (code.co_filename, frame.f_lineno))
        elif event == "exception":
            self._at = (frame, frame.f_lineno)
            if not issubclass(arg[0], _ENDS_AN_AWAIT):
                self._raising = self._at
        elif event == "return" and arg is None and self._raising == (frame, frame.f_lineno):
            self.unwound = True

    # -- details ------------------------------------------------------------------------------

    def lane(self) -> str:
        """The label of the task that runs now; empty for the world itself, and for the tasks in
        which a library does its housekeeping."""
        try:
            task = asyncio.current_task(self._world.loop)
        except RuntimeError:
            return ""
        if task is None:
            return ""
        if task in self._standing_in:
            return self._standing_in[task]
        if self._world.ownership.here() is None and self._is_housekeeping(task):
            return ""
        return self._world.label(task)

    def _is_housekeeping(self, task: asyncio.Task[Any]) -> bool:
        """True for a task that a library made, and in which no studied code runs."""
        if getattr(task, "author", None) is not None or task is self._world.main:
            return False
        ownership, code = self._world.ownership, code_of(task)
        if code is not None and ownership.kind(code.co_filename) == STUDIED:
            return False
        return describe_wait(task, ownership).file is None

    def _record_wait(self, task: asyncio.Task[Any]) -> None:
        wait = describe_wait(task, self._world.ownership)
        if wait.file is None and task is not self._world.main:
            return
        place = (wait.file, wait.line) if wait.file and wait.line else None
        self._append("wait", wait.text, self._world.label(task), place, wait.kind)

    def _record_end(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            self._append("end", "cancelled", self._world.label(task), None)
        elif (error := task._exception) is not None:
            self._append("raise", shown(error), self._world.label(task), None)
        else:
            result = task.result()
            self._append(
                "end", "" if result is None else shown(result), self._world.label(task), None
            )

    def _append(
        self, kind: str, text: str, lane: str, place: tuple[str, int] | None, key: str = ""
    ) -> None:
        if not self._world.tracing:  # it is being closed
            return
        self._name_newborn()
        loop = self._world.loop
        file, line = place if place else (None, None)
        self.events.append(
            Event(round(loop.now - START, 9), loop.steps, lane, kind, text[:400], file, line, key)
        )

    def _name_newborn(self) -> None:
        """Before 3.13 a task gets its name right after it was made, so its label comes late."""
        if self._newborn is not None:
            task, self._newborn = self._newborn, None
            self.events[-1] = replace(self.events[-1], text=self._world.label(task)[:400])
