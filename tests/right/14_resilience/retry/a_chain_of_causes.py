"""Errors chained as causes, a budget that counts what is spent, and time.monotonic."""

import asyncio
import random
import time


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
        self.spent = 0.0  # counts what is gone, from 0 up to the reserve

    def refill(self):
        self.spent = max(0.0, self.spent - self.ratio)

    def pay(self):
        if self.spent + 1 > self.reserve:
            raise LookupError("empty")
        self.spent += 1


async def retry(operation, *, budget, attempts=4, base=0.1, cap=5.0, deadline=None):
    budget.refill()
    end = None if deadline is None else time.monotonic() + deadline
    earlier = None
    for number in range(attempts):
        left = None if end is None else end - time.monotonic()
        try:
            return await asyncio.wait_for(operation(), left)
        except (Unavailable, ConnectionError, TimeoutError) as error:
            if earlier is not None:
                error.__cause__ = earlier
            earlier = error
            wait = min(cap, base * 2 ** min(number, 40)) * random.random()
            if isinstance(error, Unavailable) and error.retry_after is not None:
                wait += error.retry_after
            if number + 1 == attempts:
                raise
            if end is not None and time.monotonic() + wait >= end:
                raise
            try:
                budget.pay()
            except LookupError:
                pass
            else:
                await asyncio.sleep(wait)
                continue
            raise
        except Exception as error:
            if earlier is not None:
                raise error from earlier
            raise
    raise ValueError("attempts must be at least 1")
