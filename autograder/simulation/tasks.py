"""Tasks that remember who made them, and when they were asked to stop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Generator
from typing import TYPE_CHECKING, Any

from .current import Process, current_process

if TYPE_CHECKING:
    from .loop import SimulatedLoop

Awaited = Coroutine[Any, Any, Any] | Generator[Any, None, Any]

_NAMED_BY_ASYNCIO = "Task-"
_LONGEST_ARGUMENT = 20


class SimulatedTask(asyncio.Task[Any]):
    """An asyncio task with a number.

    The number is also its hash, so that a set of tasks is walked in the same order in every
    run: asyncio keeps tasks in sets, and by default their order is that of memory addresses.
    """

    # Declared without values: the C type gives instances a __dict__, and most tasks never
    # need more than these.
    number: int
    author: tuple[str, int] | None
    cancelled_at: float | None
    process: Process | None

    def __init__(self, coro: Awaited, *, loop: SimulatedLoop, **options: Any) -> None:
        loop.task_count += 1
        self.number = loop.task_count
        self.author = loop.ownership.author(sys._getframe(1))
        self.cancelled_at = None
        context = options.get("context")
        owner = current_process.get() if context is None else context.get(current_process)
        self.process = owner
        super().__init__(coro, loop=loop, **options)

    def __hash__(self) -> int:
        return self.number

    def cancel(self, msg: Any | None = None) -> bool:
        asked = super().cancel(msg)
        if asked:
            loop = self.get_loop()
            if self.cancelled_at is None:
                self.cancelled_at = loop.now  # type: ignore[attr-defined]
            loop.world.recorder.cancelled(self)  # type: ignore[attr-defined]
        return asked

    def uncancel(self) -> int:
        remaining = super().uncancel()
        if not remaining:
            self.cancelled_at = None
        return remaining


def code_of(task: asyncio.Task[Any]) -> Any:
    """The code object of a task's coroutine, or None."""
    coro = task.get_coro()
    return getattr(coro, "cr_code", None) or getattr(coro, "gi_code", None)


def describe_task(task: asyncio.Task[Any]) -> str:
    """A name a reader recognises: the name it was given, else its coroutine and first argument.

    Two tasks that run ``buy("ada")`` and ``buy("bob")`` are ``buy('ada')`` and ``buy('bob')``.
    """
    name = task.get_name()
    if not name.startswith(_NAMED_BY_ASYNCIO):
        return name
    coro: Any = task.get_coro()
    label = str(getattr(coro, "__name__", None) or type(coro).__name__)
    frame = getattr(coro, "cr_frame", None)
    if frame is None:
        return label
    code = frame.f_code
    for parameter in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        value = frame.f_locals.get(parameter)
        if isinstance(value, (str, int)) and len(repr(value)) <= _LONGEST_ARGUMENT:
            return f"{label}({value!r})"
    return label
