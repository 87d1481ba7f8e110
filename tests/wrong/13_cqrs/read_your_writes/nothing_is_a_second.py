"""`within or 1.0`, for a default: 0 seconds is nothing, and becomes a second.

mistake: none
fails: test_its_patience_is_limited
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from dataclasses import dataclass

import aiosqlite


@dataclass(frozen=True)
class Answer:
    """An order's status, None if there is no such order, and the position at which it is so."""

    status: str | None
    position: int


class TooFarBehind(Exception):
    """The model has not come as far as a query wants it, and its time is up."""

    def __init__(self, wanted: int, reached: int) -> None:
        super().__init__(f"position {wanted} is wanted, and the model is at {reached}")
        self.wanted = wanted
        self.reached = reached


class ReadModel:
    """One replica of the read model, asked by many."""

    def __init__(self, db: aiosqlite.Connection) -> None:
        self._db = db
        self._position = 0
        # Those who wait, nearest position first; the number keeps futures from being compared.
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    @property
    def waiting(self) -> int:
        """How many queries wait for the model to get further."""
        return len(self._waiters)

    def moved(self, position: int) -> None:
        """The projector has committed everything up to this position."""
        self._position = max(self._position, position)
        while self._waiters and self._waiters[0][0] <= self._position:
            _, _, waiter = heapq.heappop(self._waiters)
            if not waiter.done():  # it was cancelled a moment ago, and has not run yet
                waiter.set_result(None)

    async def status(self, order_id: str, *, at_least: int = 0, within: float = 1.0) -> Answer:
        """The order's status, at this position or later. Raises TooFarBehind."""
        deadline = asyncio.get_running_loop().time() + (within or 1.0)
        # The database knows best: it may be far when nobody has called moved() yet. And another
        # query's open cursor may keep the shared connection in the past for a moment: hence a loop.
        while (answer := await self._look(order_id)).position < at_least:
            try:
                async with asyncio.timeout_at(deadline):
                    await self._reached(at_least)
            except TimeoutError:
                reached = max(self._position, answer.position)
                raise TooFarBehind(at_least, reached) from None
        return answer

    async def _look(self, order_id: str) -> Answer:
        # One statement sees one moment. Two would see two.
        rows = await self._db.execute_fetchall(
            "SELECT (SELECT status FROM orders WHERE order_id = ?), position FROM checkpoint",
            (order_id,),
        )
        [(status, position)] = rows
        return Answer(status, position)

    async def _reached(self, position: int) -> None:
        # Looked up and put on the list without an await between them: nothing is missed.
        if self._position >= position:
            return
        entry = (position, next(self._numbers), asyncio.get_running_loop().create_future())
        heapq.heappush(self._waiters, entry)
        try:
            await entry[2]
        finally:
            if entry in self._waiters:  # not woken: cancelled, or the time is up
                self._waiters.remove(entry)
                heapq.heapify(self._waiters)


class Session:
    """What one customer has written and seen. `position` fits into a cookie."""

    def __init__(self, position: int = 0) -> None:
        self._position = position

    @property
    def position(self) -> int:
        """How far a model has to be for this customer."""
        return self._position

    def wrote(self, position: int) -> None:
        """A command of this customer has written the event at this position."""
        self._position = max(self._position, position)

    async def status(self, model: ReadModel, order_id: str, *, within: float = 1.0) -> Answer:
        """The order's status, as this replica has it. Raises TooFarBehind."""
        answer = await model.status(order_id, at_least=self._position, within=within)
        self._position = max(self._position, answer.position)
        return answer
