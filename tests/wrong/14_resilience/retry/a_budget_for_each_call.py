"""A budget, and every call begins with a full one of its own.

It bounds what one call does, which `attempts` does already. What all of them do together is bounded
by nothing.

mistake: retry-storm
fails: test_retries_are_rationed, test_all_callers_share_the_budget, test_no_token_no_wait,
       test_only_retries_cost_anything, test_calls_fill_it_up_to_the_brim,
       test_a_slow_provider_comes_back, test_a_provider_that_is_down_is_not_run_over,
       test_cancelled_it_ends_at_once
"""

import asyncio
import random


class Unavailable(Exception):
    def __init__(self, message="unavailable", *, retry_after=None):
        super().__init__(message)
        self.retry_after = retry_after


class Declined(Exception):
    pass


class RetryBudget:
    def __init__(self, *, ratio=0.1, reserve=10.0):
        self.ratio = ratio
        self.reserve = reserve
        self.tokens = reserve

    def call(self):
        self.tokens = min(self.reserve, self.tokens + self.ratio)

    def take(self):
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


async def retry(operation, *, budget, attempts=4, base=0.1, cap=5.0, deadline=None):
    clock = asyncio.get_running_loop().time
    end = float("inf") if deadline is None else clock() + deadline
    mine = RetryBudget(ratio=budget.ratio, reserve=budget.reserve)
    history = []
    while True:
        try:
            async with asyncio.timeout_at(None if deadline is None else end):
                return await operation()
        except Exception as error:
            bound = min(cap, base * 2.0 ** min(len(history), 60))
            pause = random.random() * bound + (getattr(error, "retry_after", 0) or 0)
            final = not isinstance(error, (Unavailable, ConnectionError, TimeoutError))
            if final or len(history) + 1 == attempts or clock() + pause >= end or not mine.take():
                for earlier in history:
                    error.add_note(repr(earlier))
                raise
            history.append(error)
        await asyncio.sleep(pause)
