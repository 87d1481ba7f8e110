"""Counts the workers by hand, and counts one back when there is an answer.

A handler that raises has none, and neither has one that is cancelled. Both keep their worker.

mistake: leaked-permit
fails: test_cancelled_anywhere_it_loses_no_worker, test_what_the_handler_raises_is_raised,
    test_a_handler_whose_client_has_gone_is_cancelled,
    test_no_worker_is_gained
"""

import asyncio


class Overloaded(Exception):
    pass


class Shedder:
    def __init__(self, handler, *, workers, capacity, deadline):
        self.handler = handler
        self.free = workers
        self.capacity = capacity
        self.deadline = deadline
        self.pile = []

    async def submit(self, request):
        if self.free == 0:
            turn = asyncio.Event()
            self.pile.append(turn)
            dropped = self.pile.pop(0) if len(self.pile) > self.capacity else None
            if dropped:
                dropped.set()
            try:
                await asyncio.wait_for(turn.wait(), self.deadline)
            except TimeoutError:
                raise Overloaded from None
            finally:
                if turn in self.pile:
                    self.pile.remove(turn)
            if getattr(turn, "worker", None) is None:
                raise Overloaded
        self.free -= 1
        answer = await self.handler(request)
        self.free += 1
        if self.pile:
            turn = self.pile.pop()
            turn.worker = True
            turn.set()
        return answer
