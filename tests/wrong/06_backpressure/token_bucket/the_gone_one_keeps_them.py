"""A queue of futures: who is handed its tokens and cancelled in the same moment keeps them.

The tokens are taken in its name when its turn comes. Then it is cancelled, before its task runs,
and nobody puts them back.

mistake: leaked-permit
fails: test_cancelled_in_the_moment_of_being_served
"""

from __future__ import annotations

import asyncio
import time
from collections import deque


class TokenBucket:
    """A deque of waiters; one timer for the first of them."""

    def __init__(self, rate, burst):
        self.rate, self.burst = rate, burst
        self.tokens = burst
        self.at = time.monotonic()
        self.waiters = deque()
        self.timer = None

    def count(self):
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now

    def serve(self):
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.count()
        while self.waiters:
            future, cost = self.waiters[0]
            if future.done():
                self.waiters.popleft()
                continue
            missing = cost - self.tokens
            if missing > 1e-9:
                self.timer = asyncio.get_running_loop().call_later(missing / self.rate, self.serve)
                return
            self.tokens -= cost
            self.waiters.popleft()
            future.set_result(None)

    async def acquire(self, cost=1):
        if cost > self.burst:
            raise ValueError("too much")
        future = asyncio.get_running_loop().create_future()
        self.waiters.append((future, cost))
        self.serve()
        try:
            await future
        except asyncio.CancelledError:
            self.serve()
            raise
