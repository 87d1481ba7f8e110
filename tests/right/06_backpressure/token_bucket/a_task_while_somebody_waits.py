"""A task serves the line, one at a time, and ends with it; who is cancelled has it begin anew."""

import asyncio
import time
from collections import deque


class TokenBucket:
    """A task that serves the line, and ends when nobody is in it."""

    def __init__(self, rate, burst):
        self.rate, self.burst = rate, burst
        self.full_at = time.monotonic()
        self.line = deque()
        self.pump = None

    def there(self):
        return min(self.burst, self.burst - (self.full_at - time.monotonic()) * self.rate)

    def take(self, cost):
        self.full_at = max(self.full_at, time.monotonic()) + cost / self.rate

    async def acquire(self, cost=1):
        if cost > self.burst:
            raise ValueError(cost)
        if not self.line and self.there() >= cost - 1e-9:
            self.take(cost)
            return
        me = [cost, asyncio.Event(), False]
        self.line.append(me)
        if self.pump is None:
            self.pump = asyncio.create_task(self.serve())
        try:
            await me[1].wait()
        except asyncio.CancelledError:
            if me[2]:
                self.full_at -= cost / self.rate
            first = self.line and self.line[0] is me
            if me in self.line:
                self.line.remove(me)
            if self.pump and (first or me[2]):
                self.pump.cancel()
                self.pump = asyncio.create_task(self.serve()) if self.line else None
            raise

    async def serve(self):
        while self.line:
            cost, event, _ = me = self.line[0]
            missing = cost - self.there()
            if missing > 1e-9:
                await asyncio.sleep(missing / self.rate)
                continue
            self.take(cost)
            me[2] = True
            self.line.popleft()
            event.set()
        self.pump = None
