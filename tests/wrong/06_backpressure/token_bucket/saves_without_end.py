"""Counts what has dripped in, and forgets that a bucket is full at some point.

In the load test nobody ever paused. On Monday morning the first batch job has two days' worth of
tokens.

mistake: burst-too-large
fails: test_a_long_rest_saves_up_no_more_than_a_burst, test_no_two_bursts_come_together
"""

from __future__ import annotations

import asyncio
import time


class TokenBucket:
    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._spent = -float(burst)
        self._start = time.monotonic()
        self._lock = asyncio.Lock()

    async def acquire(self, cost: int = 1) -> None:
        if cost > self._burst:
            raise ValueError(f"{cost} > {self._burst}")
        async with self._lock:
            while True:
                there = (time.monotonic() - self._start) * self._rate - self._spent
                if there >= cost - 1e-9:
                    break
                await asyncio.sleep((cost - there) / self._rate)
            self._spent += cost
