"""Programs that are killed: from one moment to the next nothing of them runs any more.

A crash that is raised as an exception still runs every ``finally`` and ``async with`` on its way
out, and these say goodbye: they close connections, roll back, give messages back. A process that is
killed does none of that. What belongs to it is told by its context: `Network.at` gives everything
that is started in its block a process.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from .current import Process, current_process
from .faults import Interrupted
from .sqlite import bury
from .waits import describe_wait

if TYPE_CHECKING:
    from .world import World


class Deaths:
    """Who was killed in one world, and who is to be.

    What the dead would have run is kept aside until the world ends: then it is let go, so that
    tasks can be cancelled and nothing is left to the garbage collector.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._dead: set[Process] = set()
        self._aside: list[asyncio.Handle] = []
        self._countdowns: dict[Process, int] = {}
        self._fates: dict[Process, asyncio.Future[None]] = {}

    def is_dead(self, process: Process | None) -> bool:
        return process in self._dead

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
        """True for what the dead would run; it is kept aside."""
        if self._owner(handle) not in self._dead:
            return False
        self._aside.append(handle)
        return True

    def _owner(self, handle: asyncio.Handle) -> Process | None:
        return handle._context.get(current_process)  # type: ignore[attr-defined, no-any-return]

    def let_go(self) -> None:
        """The world ends: whatever is left may run again, to be cancelled."""
        self._dead.clear()
        self._world.loop._ready.extend(self._aside)
        self._aside.clear()

    # -- killing at an await ----------------------------------------------------------------------

    async def run(self, coro: Coroutine[Any, Any, Any], host: str, at: int) -> Interrupted:
        """Run ``coro`` as a process on a host, and kill that when its code waits for the n-th time.

        Whichever of its tasks does: callbacks that a library runs count too.
        """
        loop = self._world.loop
        outcome = Interrupted()
        with self._world.network.at(host) as place:
            process = place.process
            task = asyncio.create_task(coro, name=getattr(coro, "__name__", None))
        fate = self._fates[process] = loop.create_future()
        if at > 0:
            self._countdowns[process] = at
        task.add_done_callback(lambda _: None if fate.done() else fate.set_result(None))
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

    def ran(self, handle: asyncio.Handle) -> None:
        """One callback has run: if studied code waits now, its process has one await less."""
        process = self._owner(handle)
        left = self._countdowns.get(process) if process is not None else None
        task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
        if process is None or left is None or not isinstance(task, asyncio.Task) or task.done():
            return
        if describe_wait(task, self._world.ownership).file is None:
            return
        self._countdowns[process] = left - 1
        if left == 1:
            self.kill(process)


def _nothing(loop: asyncio.AbstractEventLoop) -> asyncio.Handle:
    handle = asyncio.Handle(int, (), loop)
    handle.cancel()
    return handle
