"""Counts the calls of each window of time, and starts again from none when a window ends.

Called a fixed-window limiter, and half of all gateways have one. Ten calls at the end of one window
and ten at the beginning of the next are twenty in one breath.

mistake: burst-too-large
fails: test_no_two_bursts_come_together, test_an_empty_bucket_gives_at_its_rate,
    test_tokens_drip_in_while_nobody_looks,
    test_callers_are_served_in_the_order_of_their_calls,
    test_a_newcomer_does_not_pass_those_who_wait, test_more_than_a_burst_is_a_value_error,
    test_those_behind_a_cancelled_caller_move_up,
    test_cancelled_in_the_moment_of_being_served
"""

import asyncio
import time


class TokenBucket:
    def __init__(self, rate, burst):
        self.burst = burst
        self.window = burst / rate
        self.begin = time.monotonic()
        self.used = 0
        self.lock = asyncio.Lock()

    async def acquire(self, cost=1):
        if cost > self.burst:
            raise ValueError("cost")
        async with self.lock:
            while True:
                passed = (time.monotonic() - self.begin + 1e-9) // self.window
                if passed:
                    self.begin += passed * self.window
                    self.used = 0
                if self.used + cost <= self.burst:
                    self.used += cost
                    return
                await asyncio.sleep(self.begin + self.window - time.monotonic())
