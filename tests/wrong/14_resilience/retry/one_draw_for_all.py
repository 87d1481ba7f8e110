"""The random factor is drawn once, when the budget is made, and used for every wait.

Each shop has its own number, and all the calls of one shop have the same.

mistake: retries-in-step
fails: test_the_waits_are_random_and_bounded, test_each_wait_is_drawn_anew,
       test_retry_after_is_honoured, test_a_drawn_wait_is_measured_too
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
        self.reserve = self.tokens = reserve
        self.jitter = random.random()


async def retry(operation, *, budget, attempts=4, base=0.1, cap=5.0, deadline=None):
    budget.tokens = min(budget.reserve, budget.tokens + budget.ratio)
    clock = asyncio.get_running_loop().time
    end = clock() + deadline if deadline is not None else None
    earlier, bound = [], base
    while True:
        try:
            async with asyncio.timeout_at(end):
                return await operation()
        except Exception as error:
            for before in earlier:
                error.add_note(repr(before))
            wait = budget.jitter * min(cap, bound) + (getattr(error, "retry_after", None) or 0)
            if (
                not isinstance(error, (Unavailable, ConnectionError, TimeoutError))
                or len(earlier) + 1 == attempts
                or (end is not None and clock() + wait >= end)
                or budget.tokens < 1
            ):
                raise
            budget.tokens -= 1
            earlier.append(error)
        await asyncio.sleep(wait)
        bound = min(bound * 2, cap)
