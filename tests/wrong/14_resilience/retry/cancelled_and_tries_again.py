"""Catches CancelledError together with the others: "the connection was closed under us".

Nobody can stop it any more, and a shutdown takes as long as the provider's outage.

mistake: swallowed-cancellation
also: retries-the-unretryable
fails: test_cancelled_it_ends, test_a_cancellation_is_no_failure, test_cancelled_it_ends_at_once
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
    earlier, n = [], 0
    while True:
        try:
            async with asyncio.timeout_at(end):
                return await operation()
        except (Exception, asyncio.CancelledError) as error:
            for before in earlier:
                error.add_note(repr(before))
            again = (Unavailable, ConnectionError, TimeoutError, asyncio.CancelledError)
            pause = random.uniform(0, min(cap, base * 2.0 ** min(n, 60)))
            pause += getattr(error, "retry_after", None) or 0
            n += 1
            if (
                not isinstance(error, again)
                or n == attempts
                or (end is not None and clock() + pause >= end)
                or not budget.take()
            ):
                raise
            earlier.append(error)
        await asyncio.sleep(pause)
