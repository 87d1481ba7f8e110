"""The backoff is a property of the provider, so it is kept with the budget, for all calls.

A call that has never failed waits for its first retry as long as the hundredth of others.

mistake: none
fails: test_each_call_begins_with_short_waits, test_the_waits_are_random_and_bounded,
       test_retry_after_is_honoured, test_retry_after_is_for_one_wait
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
        self.failed = 0

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
    earlier = []
    while True:
        attempts -= 1
        try:
            async with asyncio.timeout_at(end):
                result = await operation()
                budget.failed = 0
                return result
        except (Unavailable, ConnectionError, TimeoutError) as error:
            bound = base * 2 ** min(budget.failed, 30)
            budget.failed += 1
            wait = random.uniform(0, min(cap, bound)) + (getattr(error, "retry_after", None) or 0)
            late = end is not None and clock() + wait >= end
            if not attempts or late or not budget.take():
                for old in earlier:
                    error.add_note(f"before: {old!r}")
                raise
            earlier.append(error)
        await asyncio.sleep(wait)
