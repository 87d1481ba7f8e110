"""Who holds which lock, who waits for it, and whether they wait for each other.

asyncio does not record a lock's holder, so while worlds run ``asyncio.Lock.acquire`` and
``release`` are wrapped. The wrapper adds no step.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .problems import Deadlock, Problem
from .waits import describe_wait, waits_for_tasks

if TYPE_CHECKING:
    from .world import World

Place = tuple[str, int] | None

PATIENCE = 600.0
"""Virtual seconds a cycle of lock waits may stand before it is a deadlock: someone may hold a
timeout that breaks it, and then it was none."""


class Locks:
    """The locks of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._holders: dict[asyncio.Lock, tuple[asyncio.Task[Any], Place]] = {}
        self._lent: set[asyncio.Lock] = set()
        self._waiting: dict[asyncio.Task[Any], tuple[asyncio.Lock, int]] = {}
        self._tickets = 0
        self._suspects: list[tuple[float, list[tuple[asyncio.Task[Any], int]]]] = []

    # -- told by the wrappers -----------------------------------------------------------------

    def wants(self, lock: asyncio.Lock, task: asyncio.Task[Any]) -> None:
        self._tickets += 1
        self._waiting[task] = (lock, self._tickets)
        cycle = self._cycle(task)
        if cycle and self._only_they_can_release(cycle):
            entry = [
                (member, self._waiting[member][1]) for member in cycle if member in self._waiting
            ]
            self._suspects.append((self._world.loop.now, entry))

    def got(self, lock: asyncio.Lock, task: asyncio.Task[Any], place: Place, scoped: bool) -> None:
        """``scoped``: taken by ``async with``, and so given back by the same task."""
        self._holders[lock] = (task, place)
        if not scoped:
            self._lent.add(lock)

    def gave_up(self, task: asyncio.Task[Any]) -> None:
        self._waiting.pop(task, None)

    def released(self, lock: asyncio.Lock) -> None:
        self._holders.pop(lock, None)
        self._lent.discard(lock)

    # -- asked by the loop --------------------------------------------------------------------

    def check_cycle(self, now: float) -> None:
        """Raise Deadlock if a cycle of lock waits has stood still for too long."""
        if self._suspects:
            self._suspects = [entry for entry in self._suspects if self._stands(entry[1])]
            for since, members in self._suspects:
                if now - since > PATIENCE and self._cycle(members[0][0]):
                    raise Deadlock(self.describe_cycle([task for task, _ in members]))

    def standing_cycle(self) -> list[asyncio.Task[Any]] | None:
        """The tasks of a cycle of lock waits, if there is one now."""
        for task in self._waiting:
            if cycle := self._cycle(task):
                return cycle
        return None

    def describe_cycle(self, cycle: list[asyncio.Task[Any]]) -> Problem:
        """The deadlock of these tasks: who waits for what, who holds it, since where."""
        rows = tuple(self.row(task) for task in cycle)
        wait = describe_wait(cycle[0], self._world.ownership)
        names = " and ".join(self._world.label(task) for task in cycle[:4])
        return Problem(
            "deadlock",
            f"{names} wait for each other and can never go on",
            wait.file,
            wait.line,
            rows,
        )

    def row(self, task: asyncio.Task[Any]) -> str:
        """One line of a deadlock report."""
        wait = describe_wait(task, self._world.ownership)
        text = f"{self._world.label(task)}  waits for {wait.text}"
        if wait.file:
            text += f"    {Path(wait.file).name} line {wait.line}"
        if getattr(task, "cancelled_at", None) is not None:
            text += ", though it was cancelled"
        entry = self._waiting.get(task)
        holder = self._holders.get(entry[0]) if entry else None
        if holder is not None:
            held_by, place = holder
            text += f"    held by {'itself' if held_by is task else self._world.label(held_by)}"
            if place:
                text += f" since line {place[1]}"
            if held_by.done():
                text += ", which ended without releasing it"
        return text

    # -- the graph ----------------------------------------------------------------------------

    def _only_they_can_release(self, cycle: list[asyncio.Task[Any]]) -> bool:
        """A lock taken by a bare ``acquire()`` may be released by any task, even much later."""
        return not any(
            self._waiting[task][0] in self._lent for task in cycle if task in self._waiting
        )

    def _stands(self, members: list[tuple[asyncio.Task[Any], int]]) -> bool:
        return all(
            task in self._waiting and self._waiting[task][1] == ticket for task, ticket in members
        )

    def _cycle(self, start: asyncio.Task[Any]) -> list[asyncio.Task[Any]] | None:
        """A path start -> … -> start where each task needs the next to go on."""
        path: list[asyncio.Task[Any]] = []
        seen: set[asyncio.Task[Any]] = set()

        def visit(task: asyncio.Task[Any]) -> bool:
            if task is start and path:
                return True
            if task in seen or task.done():
                return False
            seen.add(task)
            path.append(task)
            if any(visit(following) for following in self._needs(task)):
                return True
            path.pop()
            return False

        return path if visit(start) else None

    def _needs(self, task: asyncio.Task[Any]) -> list[asyncio.Task[Any]]:
        entry = self._waiting.get(task)
        if entry is not None:
            holder = self._holders.get(entry[0])
            return [holder[0]] if holder else []
        return waits_for_tasks(task)


_acquire = asyncio.Lock.acquire
_release = asyncio.Lock.release
_enter_code = asyncio.Lock.__aenter__.__code__


def install(current: Any) -> None:
    """Wrap ``asyncio.Lock``; ``current()`` gives the world that runs now, or None."""

    async def acquire(self: asyncio.Lock) -> Any:
        world = current()
        if world is None:
            return await _acquire(self)
        task = asyncio.current_task()
        if task is None:
            return await _acquire(self)
        locks: Locks = world.locks
        if self.locked() or self._waiters:  # one that was just released is its first waiter's
            locks.wants(self, task)
            try:
                result = await _acquire(self)
            finally:
                locks.gave_up(task)
        else:
            result = await _acquire(self)
        scoped = sys._getframe(1).f_code is _enter_code
        locks.got(self, task, world.ownership.here(), scoped)
        return result

    def release(self: asyncio.Lock) -> None:
        _release(self)
        world = current()
        if world is not None:
            world.locks.released(self)

    asyncio.Lock.acquire = acquire  # type: ignore[method-assign]
    asyncio.Lock.release = release  # type: ignore[method-assign]


def uninstall() -> None:
    """Give ``asyncio.Lock`` its own methods back."""
    asyncio.Lock.acquire = _acquire  # type: ignore[method-assign]
    asyncio.Lock.release = _release  # type: ignore[method-assign]
