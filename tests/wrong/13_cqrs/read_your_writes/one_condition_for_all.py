"""A Condition, and notify_all whenever the model moves: everybody looks whether it is their turn.

With a thousand customers who wait, each event wakes a thousand.

mistake: wakes-everyone
fails: test_waiting_costs_nothing
"""

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    status: str | None
    position: int


class TooFarBehind(Exception):
    def __init__(self, wanted: int, reached: int) -> None:
        super().__init__(f"wanted {wanted}, reached {reached}")
        self.wanted = wanted
        self.reached = reached


class ReadModel:
    def __init__(self, db):
        self.db = db
        self.reached = 0
        self.waiters = {}
        self.changed = asyncio.Event()

    @property
    def waiting(self):
        return len(self.waiters)

    def moved(self, position):
        if position > self.reached:
            self.reached = position
        self.changed.set()
        self.changed = asyncio.Event()

    async def status(self, order_id, *, at_least=0, within=1.0):
        if at_least <= self.reached:
            return await self.look(order_id, at_least)
        loop = asyncio.get_running_loop()
        waiter, end = loop.create_future(), loop.time() + within
        self.waiters[waiter] = at_least
        try:
            answer = await self.look(order_id)
            if answer.position < at_least:
                try:
                    async with asyncio.timeout_at(end):
                        while self.reached < at_least:
                            await self.changed.wait()
                except TimeoutError:
                    raise TooFarBehind(at_least, max(self.reached, answer.position)) from None
                answer = await self.look(order_id, at_least)
            return answer
        finally:
            del self.waiters[waiter]

    async def look(self, order_id, at_least=0):
        while True:
            [row] = await self.db.execute_fetchall(
                "SELECT max(status), (SELECT position FROM checkpoint) FROM orders "
                "WHERE order_id = ?",
                [order_id],
            )
            answer = Answer(*row)
            if answer.position >= at_least:
                return answer


class Session:
    def __init__(self, position=0):
        self.position = position

    def wrote(self, position):
        self.position = max(position, self.position)

    async def status(self, model, order_id, *, within=1.0):
        try:
            answer = await model.status(order_id, at_least=self.position, within=within)
        except TooFarBehind:
            raise
        else:
            self.position = max(answer.position, self.position)
            return answer
