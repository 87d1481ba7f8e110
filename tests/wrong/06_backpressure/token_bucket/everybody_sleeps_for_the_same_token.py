"""Every caller works out when its token will be there, sleeps, and takes it, without asking again.

With one caller it is exact. With five, all five work out the same moment.

mistake: check-then-act
fails: test_waiting_callers_share_what_drips_in,
    test_callers_are_served_in_the_order_of_their_calls,
    test_a_newcomer_does_not_pass_those_who_wait, test_those_behind_a_cancelled_caller_move_up,
    test_cancelled_in_the_moment_of_being_served
"""

import asyncio
import time


class TokenBucket:
    def __init__(self, rate: float, burst: int) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens: float = burst
        self.updated = time.monotonic()

    def _update(self):
        now = time.monotonic()
        self.tokens = min(self.tokens + self.rate * (now - self.updated), self.burst)
        self.updated = now

    async def acquire(self, cost: int = 1) -> None:
        if cost > self.burst:
            raise ValueError("cost is larger than burst")
        self._update()
        if self.tokens < cost:
            await asyncio.sleep((cost - self.tokens) / self.rate)
            self._update()
        self.tokens -= cost
