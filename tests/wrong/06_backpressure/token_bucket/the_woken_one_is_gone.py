"""A queue of futures: whoever has been served wakes the next. Nobody asks whether that one is still
there to use it.

The next one is woken and, in the same turn of the loop, cancelled. It leaves without waking
anybody, and those behind it sleep for ever.

mistake: lost-wakeup
fails: test_cancelled_in_the_moment_of_being_served
"""

import asyncio
import time
from collections import deque


class TokenBucket:
    def __init__(self, rate, burst):
        self.rate, self.burst = rate, burst
        self.tokens, self.at = burst, time.monotonic()
        self.busy = False
        self.queue = deque()

    def count(self):
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        return self.tokens

    def wake_next(self):
        while self.queue:
            turn = self.queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.busy = False

    async def acquire(self, cost=1):
        if cost > self.burst:
            raise ValueError(cost)
        if self.busy:
            turn = asyncio.get_running_loop().create_future()
            self.queue.append(turn)
            await turn
        self.busy = True
        try:
            while (missing := cost - self.count()) > 1e-9:  # noqa: ASYNC110
                await asyncio.sleep(missing / self.rate)
            self.tokens -= cost
        finally:
            self.wake_next()
