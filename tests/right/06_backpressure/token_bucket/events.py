"""A list of events, one for each caller: the first in the list waits for tokens, the others for it.

Whoever leaves, served or cancelled, tells the one who is first now. The bucket begins to count when
it is first used, full.
"""

import asyncio
from time import time


class TokenBucket:
    def __init__(self, rate, burst):
        self.rate = rate
        self.burst = burst
        self.queue = []
        self.tokens = burst
        self.then = None

    def now_there(self):
        now = time()
        if self.then is not None:
            self.tokens = min(self.burst, self.tokens + self.rate * (now - self.then))
        self.then = now
        return self.tokens

    async def acquire(self, cost=1):
        if cost > self.burst:
            raise ValueError("more than a burst")
        first = asyncio.Event()
        self.queue.append(first)
        try:
            if self.queue[0] is not first:
                await first.wait()
            while self.now_there() < cost - 1e-9:  # noqa: ASYNC110
                await asyncio.sleep((cost - self.tokens) / self.rate)
            self.tokens -= cost
        finally:
            self.queue.remove(first)
            if self.queue:
                self.queue[0].set()
