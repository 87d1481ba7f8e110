"""Exponential, capped, and for all of them the same.

Who failed together comes back together, after 0.1, 0.2 and 0.4 seconds, and fails together.

mistake: retries-in-step
fails: test_the_waits_are_random_and_bounded, test_each_wait_is_drawn_anew,
       test_retry_after_is_honoured, test_a_drawn_wait_is_measured_too
"""

import asyncio


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
    earlier, pause = [], base
    while True:
        try:
            async with asyncio.timeout_at(end):
                return await operation()
        except Exception as error:
            for before in earlier:
                error.add_note(repr(before))
            wait = min(cap, pause) + (getattr(error, "retry_after", None) or 0)
            if (
                not isinstance(error, (Unavailable, ConnectionError, TimeoutError))
                or len(earlier) + 1 == attempts
                or (end is not None and clock() + wait >= end)
                or not budget.take()
            ):
                raise
            earlier.append(error)
        await asyncio.sleep(wait)
        pause = min(pause * 2, cap)
