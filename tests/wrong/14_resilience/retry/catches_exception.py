"""`except Exception`, as one never knows.

A declined card is asked four times for the same money, and a typo takes four attempts to be seen.

mistake: retries-the-unretryable
fails: test_what_cannot_go_better_is_raised_at_once, test_only_retries_cost_anything,
       test_calls_fill_it_up_to_the_brim, test_the_last_error_tells_of_the_earlier_ones
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
    budget.call()
    clock = asyncio.get_running_loop().time
    end = clock() + deadline if deadline is not None else None
    earlier = None
    for n in range(attempts):
        try:
            async with asyncio.timeout_at(end):
                return await operation()
        except Exception as error:
            error.__cause__ = earlier
            earlier = error
            pause = random.uniform(0, min(cap, base * 2.0 ** min(n, 60)))
            pause += getattr(error, "retry_after", None) or 0
            if n + 1 == attempts or (end is not None and clock() + pause >= end):
                raise
            if not budget.take():
                raise
        await asyncio.sleep(pause)
    raise ValueError("attempts is 1 or more")
