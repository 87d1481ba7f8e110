"""No tokens at all: the moment at which the bucket will be full again (the "generic cell rate
algorithm" of telephone networks), behind a fair semaphore.
"""

import asyncio
import time


class TokenBucket:
    def __init__(self, rate, burst):
        self._seconds_per_token = 1 / rate
        self._depth = burst / rate
        self._burst = burst
        self._full_at = time.perf_counter()
        self._gate = asyncio.Semaphore(1)

    async def acquire(self, cost=1):
        if cost > self._burst:
            raise ValueError(f"cost must not exceed {self._burst}")
        price = cost * self._seconds_per_token
        async with self._gate:
            while True:
                now = time.perf_counter()
                full_at = max(self._full_at, now) + price
                early = full_at - self._depth - now
                if early <= 1e-10:
                    self._full_at = full_at
                    return
                await asyncio.sleep(early)
