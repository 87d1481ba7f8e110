"""The deadline is a timeout of the single attempt.

With four attempts a call may take four times as long as its caller was told.

mistake: deadline-not-enforced
also: pointless-wait
fails: test_the_deadline_ends_an_attempt, test_a_wait_beyond_the_deadline_is_not_begun,
       test_a_drawn_wait_is_measured_too, test_only_retries_cost_anything,
       test_they_are_told_however_it_ends
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
    earlier, bound = [], base
    while True:
        try:
            return await asyncio.wait_for(operation(), deadline)
        except Exception as error:
            for before in earlier:
                error.add_note(repr(before))
            wait = random.uniform(0, min(cap, bound)) + (getattr(error, "retry_after", None) or 0)
            if (
                not isinstance(error, (Unavailable, ConnectionError, TimeoutError))
                or len(earlier) + 1 == attempts
                or not budget.take()
            ):
                raise
            earlier.append(error)
        await asyncio.sleep(wait)
        bound = min(bound * 2, cap)
