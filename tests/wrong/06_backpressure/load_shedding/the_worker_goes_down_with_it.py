"""Everything is there, but for the moment in which a request is given a worker and is gone.

wait_for, a timeout or a client gives up just as set_result() has been called. The request leaves,
nobody calls next(), and there is one worker less. After some days there is none.

mistake: lost-wakeup
fails: test_gone_in_the_moment_of_its_turn
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
        if self.free > 0:
            self.free -= 1
        else:
            turn = asyncio.Future()
            self.pile.append(turn)
            if len(self.pile) > self.capacity:
                self.refuse(self.pile[0])
            timer = asyncio.get_running_loop().call_later(self.deadline, self.refuse, turn)
            try:
                await turn
            finally:
                timer.cancel()
                if turn in self.pile:
                    self.pile.remove(turn)
        try:
            return await self.handler(request)
        finally:
            self.next()

    def refuse(self, turn):
        if turn in self.pile:
            self.pile.remove(turn)
            if not turn.done():
                turn.set_exception(Overloaded())

    def next(self):
        while self.pile:
            turn = self.pile.pop()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1
