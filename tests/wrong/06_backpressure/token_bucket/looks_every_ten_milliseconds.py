"""Looks whether the tokens are there, sleeps a little, and looks again.

Each look is cheap. With a thousand callers there are a hundred thousand looks a second, and every
caller is late by half a nap.

mistake: refill-by-polling
fails: test_who_waits_does_not_wake_up_to_look, test_an_empty_bucket_gives_at_its_rate,
    test_tokens_drip_in_while_nobody_looks, test_callers_are_served_in_the_order_of_their_calls,
    test_waiting_callers_share_what_drips_in, test_cancelled_anywhere_it_takes_nothing,
    test_those_behind_a_cancelled_caller_move_up, test_cancelled_in_the_moment_of_being_served,
    test_more_than_a_burst_is_a_value_error, test_a_newcomer_does_not_pass_those_who_wait
"""

import asyncio
import time


class TokenBucket:
    def __init__(self, rate, burst):
        self.rate, self.burst = rate, burst
        self.tokens = burst
        self.last = time.monotonic()
        self.lock = asyncio.Lock()

    def refill(self):
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.last) * self.rate)
        self.last = now

    async def acquire(self, cost=1):
        if cost > self.burst:
            raise ValueError(cost)
        async with self.lock:
            self.refill()
            while self.tokens < cost:
                await asyncio.sleep(0.01)
                self.refill()
            self.tokens -= cost
