"""Whoever finds the lock free does not queue. It is free when somebody has been woken for it, too.

mistake: none
fails: test_a_newcomer_does_not_pass_those_who_wait
"""

from __future__ import annotations

import asyncio
import time


class TokenBucket:
    """Gives out `rate` tokens a second (tokens/s), and up to `burst` at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = float(burst)
        self._counted_at = time.monotonic()
        # An asyncio.Lock is a fair queue: whoever asked first has it first. Only its holder waits
        # for tokens; the others wait for their turn, and need no clock.
        self._turn = asyncio.Lock()

    async def acquire(self, cost: int = 1) -> None:
        """Take `cost` tokens, as soon as they are there; ValueError if that can never be."""
        if cost > self.burst:
            raise ValueError(f"cost {cost} is more than the bucket ever holds, {self.burst}")
        if not self._turn.locked() and self._count() >= cost:
            self._tokens -= cost
            return
        async with self._turn:
            # In a loop, since a timer may be early by a hair, and numbers are rounded.
            while (missing := cost - self._count()) > 1e-9:  # noqa: ASYNC110
                await asyncio.sleep(missing / self.rate)
            # After the last await: a cancellation comes before it, and nothing has been taken, or
            # after it, and acquire has returned.
            self._tokens -= cost

    def _count(self) -> float:
        """Bring the number of tokens up to date: nothing needs to run while they drip in."""
        now = time.monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._counted_at) * self.rate)
        self._counted_at = now
        return self._tokens
