"""Whatever ends the wait, the model was too far behind.

mistake: cancel-becomes-timeout
fails: test_cancelled_anywhere_it_leaves_nothing, test_each_is_woken_in_its_moment
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
        for wanted in [wanted for wanted in self.events if wanted <= position]:
            self.events.pop(wanted).set()

    async def status(self, order_id, *, at_least=0, within=1.0):
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        answer = await self.read(order_id)
        while answer.position < at_least:
            if self.at < at_least:
                try:
                    await asyncio.wait_for(self.wait(at_least), until - loop.time())
                except (TimeoutError, asyncio.CancelledError):
                    raise TooFarBehind(at_least, max(self.at, answer.position)) from None
            answer = await self.read(order_id)
        return answer

    async def wait(self, position):
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
