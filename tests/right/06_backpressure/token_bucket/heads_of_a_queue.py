"""A deque of futures and one timer for its head; no lock and no task.

Tokens are granted from a timer's callback, so they may be granted to a caller who is cancelled in
that very moment. Then they go back, and the next one is looked at.
"""

from __future__ import annotations

import asyncio
from collections import deque


class TokenBucket:
    def __init__(self, rate: float, burst: int) -> None:
        self.rate = rate
        self.burst = burst
        self.level = float(burst)
        self.seen: float | None = None
        self.queue: deque[tuple[asyncio.Future[None], int]] = deque()
        self.timer: asyncio.TimerHandle | None = None

    async def acquire(self, cost: int = 1) -> None:
        if cost > self.burst:
            raise ValueError(f"{cost} tokens will never be in a bucket of {self.burst}")
        future = asyncio.get_running_loop().create_future()
        self.queue.append((future, cost))
        self.serve()
        try:
            await future
        except asyncio.CancelledError:
            if not future.cancelled():
                self.level = min(self.burst, self.level + cost)
            self.serve()
            raise

    def serve(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self.seen is not None:
            self.level = min(self.burst, self.level + self.rate * (now - self.seen))
        self.seen = now
        if self.timer:
            self.timer.cancel()
            self.timer = None
        while self.queue:
            future, cost = self.queue[0]
            if not future.done():
                if self.level + 1e-9 < cost:
                    self.timer = loop.call_later((cost - self.level) / self.rate, self.serve)
                    return
                self.level -= cost
                future.set_result(None)
            self.queue.popleft()
