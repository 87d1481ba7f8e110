"""Looks for a token before the wait, and takes it after the wait, when the retry is made.

In one moment a hundred callers see the last eight tokens. A hundred wait, and most of them for
nothing.

mistake: pointless-wait
fails: test_all_callers_share_the_budget, test_cancelled_it_ends_at_once
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
    bound, earlier = base, []
    while True:
        attempts -= 1
        try:
            async with asyncio.timeout_at(end):
                return await operation()
        except (Unavailable, ConnectionError, TimeoutError) as error:
            wait = random.uniform(0, min(cap, bound)) + (getattr(error, "retry_after", None) or 0)
            late = end is not None and clock() + wait >= end
            if not attempts or late or budget.tokens < 1:
                for old in earlier:
                    error.add_note(f"before: {old!r}")
                raise
            earlier.append(error)
        await asyncio.sleep(wait)
        if not budget.take():
            raise earlier[-1]
        bound = min(bound * 2, cap)
