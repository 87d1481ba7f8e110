"""Programs that are killed: from one moment to the next nothing of them runs any more.

A crash that is raised as an exception still runs every ``finally`` and ``async with`` on its way
out, and these say goodbye: they close connections, roll back, give messages back. A process that is
killed does none of that. What belongs to it is told by its context: `Network.at` gives everything
that is started in its block a process.

A process may also stand still for a while, as in a long garbage collection, and go on as if nothing
had happened.
"""

from __future__ import annotations

import asyncio
import heapq
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .current import Process, current_process
from .faults import Interrupted
from .sqlite import bury
from .waits import describe_wait

if TYPE_CHECKING:
    from .world import World


_NOWHERE = object()


@dataclass(slots=True)
class _Countdown:
    """Until a process waits for the n-th time; with ``outside``, until that is no longer what it
    was when the process waited the time before that; and not while it is ``spared``."""

    at: int
    strike: Callable[[Process], None]
    outside: Callable[[], object] | None = None
    spared: Callable[[Process], bool] | None = None
    awaits: int = 0
    before: object = _NOWHERE

    def is_over(self, process: Process) -> bool:
        """The process waits once more: is it time?"""
        self.awaits += 1
        if self.spared is not None:
            return self.awaits >= self.at and not self.spared(process)
        if self.outside is None or self.at == 1:
            return self.awaits == self.at
        if self.awaits == self.at - 1:
            self.before = self.outside()
        return self.awaits >= self.at and self.outside() != self.before


class Deaths:
    """Who was killed in one world, and who is to be.

    What the dead would have run is kept aside until the world ends: then it is let go, so that
    tasks can be cancelled and nothing is left to the garbage collector.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._dead: set[Process] = set()
        self._aside: list[asyncio.Handle] = []
        self._frozen: dict[Process, list[asyncio.Handle]] = {}
        self._countdowns: dict[Process, _Countdown] = {}
        self._fates: dict[Process, asyncio.Future[None]] = {}

    @property
    def holding(self) -> bool:
        """True if anybody is dead or stands still."""
        return bool(self._dead or self._frozen)

    @property
    def counting(self) -> bool:
        """True if anybody's awaits are counted."""
        return bool(self._countdowns)

    def is_dead(self, process: Process | None) -> bool:
        return process in self._dead

    # -- standing still ---------------------------------------------------------------------------

    def freeze(self, process: Process) -> None:
        """Nothing of a process runs until it is thawed; what comes for it waits."""
        self._world.record("fault", f"{process.name} stands still", lane="")
        self._frozen.setdefault(process, [])
        self._settle(process)

    def thaw(self, process: Process) -> None:
        """All that was held up goes on, in the order in which it came."""
        held = self._frozen.pop(process, None)
        if held is not None and process not in self._dead:
            self._world.record("fault", f"{process.name} goes on", lane="")
            self._world.loop._ready.extend(held)

    def in_transaction(self, process: Process) -> bool:
        """True if a process has a transaction of SQLite open: others may be waiting for it."""
        for owner, connection in self._world.databases:
            with suppress(sqlite3.ProgrammingError):  # it is closed, or another thread's
                if owner is process and connection.in_transaction:
                    return True
        return False

    # -- killing ----------------------------------------------------------------------------------

    def kill(self, process: Process) -> None:
        """Nothing of a process runs from now on, and the operating system cleans up after it."""
        if process in self._dead:
            return
        self._world.record("fault", f"{process.name} is killed", lane="")
        self._dead.add(process)
        self._countdowns.pop(process, None)
        self._world.network.bury(process)
        self._put_aside()
        for owner, connection in self._world.databases:
            if owner is process:
                bury(connection)  # what is not committed is rolled back, and its locks are gone
        self._settle(process)

    def _settle(self, process: Process) -> None:
        fate = self._fates.pop(process, None)
        if fate is not None and not fate.done():
            fate.set_result(None)

    def _put_aside(self) -> None:
        """Take what the dead were about to run off the loop."""
        loop = self._world.loop
        for position, handle in enumerate(loop._ready):
            if self.holds(handle):
                # The loop may be in the middle of this queue: its length must stay.
                loop._ready[position] = _nothing(loop)
        kept = [entry for entry in loop._timers if entry[2].cancelled() or not self.holds(entry[2])]
        heapq.heapify(kept)
        loop._timers = kept

    def holds(self, handle: asyncio.Handle) -> bool:
        """True for what the dead, or those who stand still, would run; it is kept aside."""
        owner = self._owner(handle)
        if owner in self._dead:
            self._aside.append(handle)
        elif owner in self._frozen:
            self._frozen[owner].append(handle)
        else:
            return False
        return True

    def _owner(self, handle: asyncio.Handle) -> Process | None:
        return handle._context.get(current_process)  # type: ignore[attr-defined, no-any-return]

    def let_go(self) -> None:
        """The world ends: whatever is left may run again, to be cancelled."""
        self._dead.clear()
        for process in list(self._frozen):
            self.thaw(process)
        self._world.loop._ready.extend(self._aside)
        self._aside.clear()

    # -- at an await ------------------------------------------------------------------------------

    async def run(
        self,
        coro: Coroutine[Any, Any, Any],
        host: str,
        at: int,
        outside: Callable[[], object] | None = None,
    ) -> Interrupted:
        """Run ``coro`` as a process on a host, and kill that when its code waits for the n-th time.

        Whichever of its tasks does: callbacks that a library runs count too. ``outside``: not
        before that is different from what it was when its code waited the time before.
        """
        outcome = Interrupted()
        task, process, fate = self._start(coro, host, _Countdown(at, self.kill, outside))
        try:
            await fate
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            self._countdowns.pop(process, None)
            self._fates.pop(process, None)
        outcome.fired = process in self._dead
        if task.done():
            outcome.result = task.result()  # its own failure is for whoever asked
        return outcome

    async def run_frozen(
        self,
        coro: Coroutine[Any, Any, Any],
        host: str,
        at: int,
        meanwhile: Callable[[], Coroutine[Any, Any, Any]],
    ) -> Interrupted:
        """As `run`, but it stands still there until ``meanwhile()`` has ended, and then goes on.

        In a transaction it does not, but only after that: everybody else would have to wait.
        """
        outcome = Interrupted()
        countdown = _Countdown(at, self.freeze, spared=self.in_transaction)
        task, process, fate = self._start(coro, host, countdown)
        try:
            await fate
            outcome.fired = process in self._frozen
            # At once: a server goes on until somebody cancels this.
            self._world.interrupted_once |= outcome.fired
            if outcome.fired:
                await meanwhile()
            self.thaw(process)
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            self._countdowns.pop(process, None)
            self._fates.pop(process, None)
            self.thaw(process)
        outcome.result = task.result()
        return outcome

    def _start(
        self,
        coro: Coroutine[Any, Any, Any],
        host: str,
        countdown: _Countdown,
    ) -> tuple[asyncio.Task[Any], Process, asyncio.Future[None]]:
        with self._world.network.at(host) as place:
            process = place.process
            task = asyncio.create_task(coro, name=getattr(coro, "__name__", None))
        fate = self._fates[process] = self._world.loop.create_future()
        if countdown.at > 0:
            self._countdowns[process] = countdown
        task.add_done_callback(lambda _: None if fate.done() else fate.set_result(None))
        return task, process, fate

    def ran(self, handle: asyncio.Handle) -> None:
        """One callback has run: if studied code waits now, its process has one await less."""
        process = self._owner(handle)
        countdown = self._countdowns.get(process) if process is not None else None
        task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
        if process is None or countdown is None:
            return
        if not isinstance(task, asyncio.Task) or task.done():
            return
        if describe_wait(task, self._world.ownership).file is not None and countdown.is_over(
            process
        ):
            self._countdowns.pop(process)
            self._world.struck_at = countdown.awaits
            countdown.strike(process)


def _nothing(loop: asyncio.AbstractEventLoop) -> asyncio.Handle:
    handle = asyncio.Handle(int, (), loop)
    handle.cancel()
    return handle
