"""Reads whatever the model has: it is never far behind.

mistake: assumed-read-your-write
fails: test_it_waits_until_it_is_that_far, test_a_customer_sees_what_they_wrote,
    test_its_patience_is_limited, test_each_is_woken_in_its_moment,
    test_another_replica_may_be_asked, test_status_and_position_belong_together,
    test_a_move_at_the_wrong_moment_is_not_missed, test_nobody_is_sent_back,
    test_waiting_costs_nothing, test_cancelled_and_woken_in_one_moment,
    test_cancelled_anywhere_it_leaves_nothing
also: back-in-time
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
        return await self.read(order_id)

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
