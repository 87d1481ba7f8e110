"""What a task waits for, in words."""

from __future__ import annotations

import asyncio
import linecache
import re
from asyncio import streams
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from . import waiting_for
from .channels import Channel
from .ownership import STUDIED, Ownership, is_asyncio
from .tasks import describe_task


@dataclass(frozen=True, slots=True)
class Wait:
    """What one task waits for: the words, the place in studied code, the thing itself."""

    text: str
    file: str | None = None
    line: int | None = None
    kind: str = "future"
    thing: object = None


def frames(task: asyncio.Task[Any]) -> Iterator[FrameType]:
    """The frames of a suspended task, outermost first."""
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame = (
            getattr(awaited, "cr_frame", None)
            or getattr(awaited, "gi_frame", None)
            or getattr(awaited, "ag_frame", None)
        )
        if frame is not None:
            yield frame
        awaited = (
            getattr(awaited, "cr_await", None)
            or getattr(awaited, "gi_yieldfrom", None)
            or getattr(awaited, "ag_await", None)
        )


def _sleep(frame: FrameType) -> str:
    delay = frame.f_locals.get("delay")
    return f"sleep({delay:.3g})" if isinstance(delay, float) else f"sleep({_short(delay)})"


def _fixed(text: str) -> Callable[[FrameType], str]:
    return lambda frame: text


def _channel(frame: FrameType) -> str:
    return f"a message from {frame.f_locals['self'].name}"


# Taken when this module is imported, before any world wraps these functions.
_KNOWN: dict[CodeType, tuple[str, Callable[[FrameType], str]]] = {
    asyncio.sleep.__code__: ("sleep", _sleep),
    asyncio.Lock.acquire.__code__: ("lock", _fixed("a lock")),
    asyncio.Semaphore.acquire.__code__: ("semaphore", _fixed("a semaphore")),
    asyncio.Event.wait.__code__: ("event", _fixed("an event to be set")),
    asyncio.Condition.wait.__code__: ("condition", _fixed("a condition to be notified")),
    asyncio.Queue.get.__code__: ("queue", _fixed("an item from a queue")),
    asyncio.Queue.put.__code__: ("queue", _fixed("room in a queue")),
    asyncio.Queue.join.__code__: ("queue", _fixed("a queue to be finished")),
    asyncio.Barrier.wait.__code__: ("barrier", _fixed("the others at a barrier")),
    asyncio.to_thread.__code__: ("thread", _fixed("a worker thread")),
    asyncio.wait.__code__: ("wait", _fixed("tasks to finish")),
    waiting_for.original.__code__: ("wait", _fixed("the result, with a time limit")),
    waiting_for.wait_for.__code__: ("wait", _fixed("the result, with a time limit")),
    asyncio.TaskGroup.__aexit__.__code__: ("group", _fixed("the tasks of its group")),
    asyncio.StreamReader.read.__code__: ("stream", _fixed("bytes from a connection")),
    asyncio.StreamReader.readline.__code__: ("stream", _fixed("a line from a connection")),
    asyncio.StreamReader.readuntil.__code__: ("stream", _fixed("bytes from a connection")),
    asyncio.StreamReader.readexactly.__code__: ("stream", _fixed("bytes from a connection")),
    asyncio.StreamWriter.drain.__code__: ("stream", _fixed("the peer to read what was sent")),
    streams.open_connection.__code__: ("stream", _fixed("a connection")),
    Channel.receive.__code__: ("channel", _channel),
}

_WRAPPERS = str(Path(__file__).with_name("locks.py"))
_NOBODY = "a future that nobody has completed"
_WAITABLE = re.compile(r"async\s+with\s+(?P<with>[^:]+?)(?:\s+as\s+\w+)?\s*:|await\s+(?P<call>.+)")


def describe_wait(task: asyncio.Task[Any], ownership: Ownership) -> Wait:
    """What a suspended task waits for, and where in studied code it does.

    A wait that studied code makes itself is said in words ("a lock"); one deep inside a library is
    said as the studied line says it ("session.get(url)").
    """
    place: FrameType | None = None
    known: tuple[str, str, object] | None = None
    within = False
    for frame in frames(task):
        code = frame.f_code
        if ownership.kind(code.co_filename) == STUDIED:
            place, known, within = frame, None, False
        elif code in _KNOWN and known is None:
            kind, words = _KNOWN[code]
            known = (kind, words(frame), frame.f_locals.get("self"))
        elif known is None and not is_asyncio(code.co_filename) and code.co_filename != _WRAPPERS:
            within = True
    file = place.f_code.co_filename if place else None
    line = place.f_lineno if place else None
    waiter = getattr(task, "_fut_waiter", None)
    asked = expression(place) if place and (within or known is None) else None
    if known is not None:
        kind, text, thing = known
        if within:
            return Wait(asked or text, file, line, "call", thing)
        if kind in {"lock", "semaphore", "event", "condition", "queue"}:
            text = _named(text, kind, place)
        return Wait(text, file, line, kind, thing)
    return Wait(_describe_future(waiter) or asked or _NOBODY, file, line, "task", waiter)


_STANDING = {"lock", "semaphore", "event", "condition", "queue", "barrier"}


def standing_still(tasks: list[asyncio.Task[Any]], ownership: Ownership) -> bool:
    """True if all that these tasks wait for is each other, or a lock, queue or event."""
    kinds = set()
    for task in tasks:
        wait = describe_wait(task, ownership)
        kinds.add("tasks" if waits_for_tasks(task) or wait.kind == "group" else wait.kind)
    return bool(kinds & _STANDING) and kinds <= _STANDING | {"tasks"}


def waits_for_tasks(task: asyncio.Task[Any]) -> list[asyncio.Task[Any]]:
    """The tasks that must all finish before this one can go on."""
    waiter: Any = getattr(task, "_fut_waiter", None)
    if isinstance(waiter, asyncio.Task):
        return [waiter]
    return [c for c in getattr(waiter, "_children", ()) if isinstance(c, asyncio.Task)]


def _describe_future(waiter: Any) -> str:
    """The tasks behind a future, or an empty text."""
    if isinstance(waiter, asyncio.Task):
        return describe_task(waiter)
    children = [c for c in getattr(waiter, "_children", ()) if not c.done()]
    tasks = [describe_task(c) for c in children if isinstance(c, asyncio.Task)]
    if tasks:
        more = f" and {len(tasks) - 3} more" if len(tasks) > 3 else ""
        return ", ".join(tasks[:3]) + more
    return ""


def _named(text: str, kind: str, frame: FrameType | None) -> str:
    """``self.locks[sku]`` with ``sku='tea'`` rather than 'a lock', where the source says so."""
    if frame is None:
        return text
    name = expression(frame)
    if name is None:
        return text
    return f"{text.split(' ', 1)[1] if text.startswith(('a ', 'an ')) else text} {name}"


def expression(frame: FrameType) -> str | None:
    """What a frame's current line waits for, as its source says, with small values filled in."""
    source = linecache.getline(frame.f_code.co_filename, frame.f_lineno).partition("  #")[0].strip()
    found = _WAITABLE.search(source)
    if not found:
        return None
    text = found["with"] or re.sub(r"\.(acquire|wait|get|put|join|wait_for)\(.*", "", found["call"])
    values = []
    for word in re.findall(r"\[(\w+)\]", text):
        value = frame.f_locals.get(word)
        if isinstance(value, (str, int)):
            values.append(f"{word}={_short(value)}")
    return f"{text} ({', '.join(values)})" if values else text


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 30 else text[:27] + "..."
