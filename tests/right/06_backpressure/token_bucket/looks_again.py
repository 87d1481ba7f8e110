"""Sleeps for what is missing, and looks again, down to the last fraction of a token."""

from __future__ import annotations

import asyncio
import time


class TokenBucket:
    """Gives out `rate` tokens a second (tokens/s), and up to `burst` at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._counted_at = time.monotonic()
        self._turn = asyncio.Lock()

    def _refill(self) -> None:
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._counted_at) * self._rate)
        self._counted_at = now

    async def acquire(self, cost: int = 1) -> None:
        """Take `cost` tokens, as soon as they are there; ValueError if that can never be."""
        if cost > self._burst:
            raise ValueError(f"cost {cost} is more than the bucket holds: {self._burst}")
        async with self._turn:
            self._refill()
            while self._tokens < cost:
                await asyncio.sleep((cost - self._tokens) / self._rate)
                self._refill()
            self._tokens -= cost
