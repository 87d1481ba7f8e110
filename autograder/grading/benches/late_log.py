"""A log whose transactions run side by side, as PostgreSQL's do, and who listens to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any

from autograder.simulation.world import World

from ..mistakes import mistake


class Transaction:
    """Has taken its positions; its events can be seen when it is committed."""

    def __init__(self, log: LateLog, positions: Sequence[int]) -> None:
        self.positions = tuple(positions)
        self.done = False
        self._log = log

    def commit(self) -> None:
        self._end(self.positions, f"{self._said} committed")

    def roll_back(self) -> None:
        self._end((), f"{self._said} rolled back")

    @property
    def _said(self) -> str:
        return f"position {' and '.join(map(str, self.positions))}:"

    def _end(self, kept: Sequence[int], said: str) -> None:
        self.done = True
        self._log.committed.update(kept)
        self._log.running.remove(self)
        self._log.world.note(said)


class LateLog:
    """The simulated store that `follow` is given.

    After ``patience`` calls it answers no more: somebody asks all the time.

    Attributes:
        committed: the positions that can be seen.
        calls: the names of the calls that have been answered.
        promised: the highest position that `settled` has answered.
        after_call: called with the number of each call (from 1) when it has been answered, before
            the answer has arrived.
    """

    def __init__(self, world: World, submission: ModuleType, patience: int = 5000) -> None:
        self.world = world
        self.patience = patience
        self.committed: set[int] = set()
        self.running: list[Transaction] = []
        self.calls: list[str] = []
        self.promised = 0
        self.after_call: Callable[[int], None] = lambda number: None
        self._event = submission.StoredEvent
        self._last = 0
        self._settled = world.service(self._answer_settled, name="settled")
        self._read = world.service(self._answer_read, name="read")

    # -- what a learner is given ------------------------------------------------------------------

    async def settled(self) -> int:
        await self._be_patient()
        settled: int = await self._settled()
        return settled

    async def read(self, after: int, limit: int = 100) -> list[Any]:
        await self._be_patient()
        events: list[Any] = await self._read(after, limit)
        return events

    async def _be_patient(self) -> None:
        if len(self.calls) >= self.patience:
            await asyncio.sleep(1e9)

    def _answer_settled(self) -> int:
        settled = self.settled_now
        self.promised = max(self.promised, settled)
        self._answered("settled")
        return settled

    def _answer_read(self, after: int, limit: int) -> list[Any]:
        seen = sorted(position for position in self.committed if position > after)[:limit]
        events = [self.event(position) for position in seen]
        self._answered("read")
        return events

    def _answered(self, name: str) -> None:
        self.calls.append(name)
        self.after_call(len(self.calls))

    # -- what a test does -------------------------------------------------------------------------

    @property
    def settled_now(self) -> int:
        """The position up to which everybody has finished."""
        lowest = min((running.positions[0] for running in self.running), default=self._last + 1)
        return lowest - 1

    def begin(self, count: int = 1) -> Transaction:
        """A transaction that takes the next positions."""
        transaction = Transaction(self, range(self._last + 1, self._last + 1 + count))
        self._last += count
        self.running.append(transaction)
        return transaction

    def add(self, count: int = 1) -> None:
        """Events that are committed at once."""
        self.begin(count).commit()

    def check_patience(self, told: str) -> None:
        """``told`` is what happened meanwhile."""
        assert len(self.calls) < self.patience, mistake(
            "busy-poll", f"{told}, and follow asked the log {len(self.calls)} times or more."
        )

    def event(self, position: int) -> Any:
        data = {"order_id": f"o-{position}"}
        return self._event(
            position, f"order-o-{position}", 1, f"id-{position}", "StockReserved", data
        )


class Listener:
    """Takes what a subscription yields, and remembers when; ``pause`` is its work with each."""

    def __init__(
        self,
        subscription: AsyncIterator[Any],
        name: str = "a subscriber",
        *,
        pause: float = 0.0,
        heard: Callable[[Any], None] = lambda event: None,
    ) -> None:
        self.events: list[Any] = []
        self.times: list[float] = []
        self._subscription = subscription
        self._pause = pause
        self._heard = heard
        self._task = asyncio.create_task(self._listen(), name=name)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        async for event in self._subscription:
            self.events.append(event)
            self.times.append(loop.time())
            self._heard(event)
            if self._pause:
                await asyncio.sleep(self._pause)

    @property
    def positions(self) -> list[int]:
        return [event.position for event in self.events]

    def check(self) -> None:
        """Raises what the subscription raised, and AssertionError if it has ended."""
        if self._task.done():
            self._task.result()
            raise AssertionError("the subscription ended by itself; it goes on for ever")

    async def leave(self) -> None:
        """Stop listening, as somebody does who is cancelled."""
        if self._task.done():
            self._task.result()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        close = getattr(self._subscription, "aclose", None)
        if close is not None:
            await close()
