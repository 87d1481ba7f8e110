"""Waits for its turn within asyncio.timeout, and takes a timeout for a turn that never came.

The timeout may fire when the turn has been given and the task has not run yet. Then the worker is
its own, and `except TimeoutError` raises Overloaded and leaves it to nobody.

mistake: lost-wakeup
fails: test_gone_in_the_moment_of_its_turn
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
        self.workers = workers
        self.capacity = capacity
        self.deadline = deadline
        self._free = workers
        self._waiting: list[asyncio.Future[None]] = []  # the oldest first

    async def submit(self, request: Any) -> Any:
        """What the handler returns for this request; Overloaded if it is refused."""
        if self._free:
            self._free -= 1
        else:
            await self._wait()
        try:
            return await self.handler(request)
        finally:
            self._release()

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        # the cancelled ones may still be on the list
        self._waiting = [w for w in self._waiting if not w.done()]
        if len(self._waiting) >= self.capacity:
            self._refuse(self._waiting[0])
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self.deadline):
                await turn
        except TimeoutError:
            raise Overloaded from None
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._release()  # I was given a worker, pass it on
            raise
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)

    def _refuse(self, turn: asyncio.Future[None]) -> None:
        if turn in self._waiting:
            self._waiting.remove(turn)
        if not turn.done():
            turn.set_exception(Overloaded("too much to do"))

    def _release(self) -> None:
        while self._waiting:
            turn = self._waiting.pop()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
