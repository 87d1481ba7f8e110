"""Takes the tokens first, on credit, and sleeps off the debt.

Elegant: one subtraction, one sleep, and the order comes out by itself. But who is cancelled while
asleep has paid, and nobody gets it back.

mistake: leaked-permit
fails: test_cancelled_anywhere_it_takes_nothing, test_those_behind_a_cancelled_caller_move_up,
    test_cancelled_in_the_moment_of_being_served, test_a_newcomer_does_not_pass_those_who_wait
"""

import asyncio
import time


class TokenBucket:
    def __init__(self, rate, burst):
        self.rate = rate
        self.burst = burst
        self.balance = burst
        self.at = time.monotonic()

    async def acquire(self, cost=1):
        if cost > self.burst:
            raise ValueError(f"cannot ever have {cost} tokens")
        now = time.monotonic()
        self.balance = min(self.burst, self.balance + (now - self.at) * self.rate)
        self.at = now
        self.balance -= cost
        if self.balance < 0:
            await asyncio.sleep(-self.balance / self.rate)
