"""A task in the background adds a token every so often, as water drips into a bucket.

A picture taken literally. The task has to be started, stopped and kept alive, it wakes up all night
when nobody calls, and a token comes up to a drip late.

mistake: refill-by-polling
fails: test_nothing_runs_while_nobody_waits, test_who_waits_does_not_wake_up_to_look,
    test_a_full_bucket_gives_at_once, test_an_empty_bucket_gives_at_its_rate,
    test_tokens_drip_in_while_nobody_looks, test_a_long_rest_saves_up_no_more_than_a_burst,
    test_no_two_bursts_come_together, test_waiting_callers_share_what_drips_in,
    test_callers_are_served_in_the_order_of_their_calls,
    test_a_newcomer_does_not_pass_those_who_wait, test_more_than_a_burst_is_a_value_error,
    test_cancelled_anywhere_it_takes_nothing, test_those_behind_a_cancelled_caller_move_up,
    test_cancelled_in_the_moment_of_being_served
"""

import asyncio


class TokenBucket:
    def __init__(self, rate: float, burst: int) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = burst
        self.changed = asyncio.Condition()
        self.turn = asyncio.Lock()
        self.dripping = None

    async def drip(self):
        while True:
            await asyncio.sleep(1 / self.rate)
            async with self.changed:
                self.tokens = min(self.burst, self.tokens + 1)
                self.changed.notify_all()

    async def acquire(self, cost: int = 1) -> None:
        if cost > self.burst:
            raise ValueError("too many")
        if self.dripping is None:
            self.dripping = asyncio.create_task(self.drip())
        async with self.turn, self.changed:
            await self.changed.wait_for(lambda: self.tokens >= cost)
            self.tokens -= cost
