"""A future for each position, and moved() completes the one of its position.

Until the projector commits two events at once, and 5 never comes: after 4 comes 7.

mistake: waits-for-exactly
fails: test_it_waits_until_it_is_that_far, test_each_is_woken_in_its_moment,
    test_waiting_costs_nothing, test_cancelled_and_woken_in_one_moment
"""

import asyncio
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    status: str | None
    position: int


class TooFarBehind(Exception):
    def __init__(self, wanted: int, reached: int) -> None:
        super().__init__(f"{wanted} is wanted, {reached} is there")
        self.wanted = wanted
        self.reached = reached


class ReadModel:
    def __init__(self, db):
        self.db = db
        self.at = 0
        self.events = {}
        self.users = Counter()

    @property
    def waiting(self):
        return self.users.total()

    def moved(self, position):
        if position <= self.at:
            return
        self.at = position
        if position in self.events:
            self.events.pop(position).set()

    async def status(self, order_id, *, at_least=0, within=1.0):
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        answer = await self.read(order_id)
        while answer.position < at_least:
            if True:
                try:
                    await asyncio.wait_for(self.wait(at_least), until - loop.time())
                except TimeoutError:
                    raise TooFarBehind(at_least, max(self.at, answer.position)) from None
            answer = await self.read(order_id)
        return answer

    async def wait(self, position):
        if self.at >= position:
            return
        event = self.events.setdefault(position, asyncio.Event())
        self.users[position] += 1
        try:
            await event.wait()
        finally:
            self.users[position] -= 1
            if not self.users[position]:
                del self.users[position]
                if self.events.get(position) is event:
                    del self.events[position]

    async def read(self, order_id):
        sql = (
            "SELECT o.status, c.position FROM checkpoint AS c "
            "LEFT JOIN orders AS o ON o.order_id = :order"
        )
        async with self.db.execute(sql, {"order": order_id}) as cursor:
            async for status, position in cursor:
                answer = Answer(status, position)
        return answer


class Session:
    def __init__(self, position=0):
        self.seen = {position}

    @property
    def position(self):
        return max(self.seen)

    def wrote(self, position):
        self.seen = {self.position, position}

    async def status(self, model, order_id, *, within=1.0):
        answer = await model.status(order_id, at_least=self.position, within=within)
        self.wrote(answer.position)
        return answer
