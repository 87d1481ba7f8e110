"""A transaction for two looks, which is ended when the next one begins. It reads nothing till then.

It keeps its snapshot all the while, and SQLite cannot put into the file what others write.

mistake: none
fails: test_its_patience_is_limited, test_each_is_woken_in_its_moment, test_waiting_costs_nothing,
    test_cancelled_anywhere_it_leaves_nothing, test_cancelled_and_woken_in_one_moment
"""

import asyncio
from bisect import insort
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    status: str | None
    position: int


class TooFarBehind(Exception):
    def __init__(self, wanted, reached):
        super().__init__(f"{wanted} wanted, {reached} reached")
        self.wanted, self.reached = wanted, reached


class ReadModel:
    def __init__(self, db):
        self._db, self._turn = db, asyncio.Lock()
        self._latest = 0
        self._queue = []

    @property
    def waiting(self):
        return len(self._queue)

    def moved(self, position):
        if position <= self._latest:
            return
        self._latest = position
        while self._queue and self._queue[0][0] <= position:
            self._queue.pop(0)[2].set()

    @asynccontextmanager
    async def _transaction(self):
        async with self._turn:
            await self._db.rollback()
            await self._db.execute("BEGIN")
            yield

    async def _look(self, order_id):
        async with self._transaction():
            async with self._db.execute("SELECT position FROM checkpoint") as cursor:
                (position,) = await cursor.fetchone()
            sql = "SELECT status FROM orders WHERE order_id = ?"
            rows = list(await self._db.execute_fetchall(sql, [order_id]))
        return Answer(rows[0][0] if rows else None, position)

    async def status(self, order_id, *, at_least=0, within=1.0):
        ends = asyncio.get_running_loop().time() + within
        answer = await self._look(order_id)
        while answer.position < at_least:
            if self._latest < at_least:
                await self._wait(at_least, ends, answer)
            answer = await self._look(order_id)
        return answer

    async def _wait(self, at_least, ends, answer):
        bell = asyncio.Event()
        entry = (at_least, id(bell), bell)
        insort(self._queue, entry)
        try:
            left = ends - asyncio.get_running_loop().time()
            await asyncio.wait_for(bell.wait(), max(left, 0))
        except TimeoutError:
            raise TooFarBehind(at_least, max(self._latest, answer.position)) from None
        finally:
            if entry in self._queue:
                self._queue.remove(entry)


class Session:
    def __init__(self, position=0):
        self.position = position

    def wrote(self, position):
        if position > self.position:
            self.position = position

    async def status(self, model, order_id, *, within=1.0):
        answer = await model.status(order_id, at_least=self.position, within=within)
        self.wrote(answer.position)
        return answer
