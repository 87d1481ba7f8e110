"""Newest first, the oldest makes room; nobody looks at the clock.

In the rush the oldest are pushed out soon. Afterwards the worker digs up what has been lying at the
bottom of the pile, and answers questions of an hour ago.

mistake: serves-the-dead
fails: test_nobody_is_served_after_the_deadline
"""

import asyncio


class Overloaded(Exception):
    pass


class Shedder:
    def __init__(self, handler, *, workers, capacity, deadline):
        self.handler = handler
        self.free = workers
        self.capacity = capacity
        self.pile = []

    async def submit(self, request):
        if self.free > 0:
            self.free -= 1
        else:
            turn = asyncio.Future()
            self.pile.append(turn)
            if len(self.pile) > self.capacity:
                self.pile.pop(0).set_exception(Overloaded())
            try:
                await turn
            except asyncio.CancelledError:
                if turn in self.pile:
                    self.pile.remove(turn)
                elif not turn.cancelled() and not turn.exception():
                    self.next()
                raise
        try:
            return await self.handler(request)
        finally:
            self.next()

    def next(self):
        while self.pile:
            turn = self.pile.pop()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1
