"""Passes over a request whose client has gone, but counts it among those that wait until then.

So somebody is refused although there is room.

mistake: none
fails: test_nobody_is_served_who_has_gone
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class Overloaded(Exception):
    """There is too much to do: the request was refused, and nothing was done for it."""


class Shedder:
    """Handles what can be handled, and refuses the rest in time; `deadline` is in seconds."""

    def __init__(
        self,
        handler: Callable[[Any], Awaitable[Any]],
        *,
        workers: int,
        capacity: int,
        deadline: float,
    ) -> None:
        self.handler = handler
        self.capacity = capacity
        self.deadline = deadline
        self._free = workers
        # Who waits, the oldest first. While anybody does, no worker is free.
        self._waiting: list[asyncio.Future[None]] = []

    async def submit(self, request: Any) -> Any:
        """What the handler returns for this request; Overloaded if it is refused."""
        if self._free:
            self._free -= 1
        else:
            await self._worker()
        try:
            return await self.handler(request)
        finally:
            self._pass_on()

    async def _worker(self) -> None:
        """Wait for a worker; Overloaded if none comes in time."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        # A cancelled one is done at once, and strikes itself off only when its task runs again.
        self._waiting.append(turn)
        if len(self._waiting) > self.capacity:
            self._refuse(self._waiting[0], f"{self.capacity} newer requests wait")
        timer = loop.call_later(self.deadline, self._refuse, turn, f"waited {self.deadline} s")
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:
                # Given a worker and cancelled in one moment: somebody else shall have it.
                self._pass_on()
            raise
        finally:
            timer.cancel()

    def _refuse(self, turn: asyncio.Future[None], reason: str) -> None:
        if not turn.done():  # else it has a worker already, or is gone
            self._waiting.remove(turn)
            turn.set_exception(Overloaded(reason))

    def _pass_on(self) -> None:
        """Give a worker to the newest; nothing can happen between the taking and the giving."""
        while self._waiting:
            newest = self._waiting.pop()
            if not newest.done():
                newest.set_result(None)
                return
        self._free += 1
