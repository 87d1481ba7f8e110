"""The wait stands at the end of the loop's body, also of the last round.

mistake: pointless-wait
fails: test_the_attempts_are_counted, test_only_retries_cost_anything, test_retries_are_rationed
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
    errors, bound = [], base
    for _ in range(attempts):
        try:
            async with asyncio.timeout_at(end):
                return await operation()
        except (Unavailable, ConnectionError, TimeoutError) as error:
            wait = random.uniform(0, min(cap, bound)) + (getattr(error, "retry_after", None) or 0)
            errors.append(error)
            if end is not None and clock() + wait >= end:
                break
            if not budget.take():
                break
        except Exception as error:
            raise with_notes(error, errors) from None
        await asyncio.sleep(wait)
        bound = min(bound * 2, cap)
    raise with_notes(errors[-1], errors[:-1])


def with_notes(error, earlier):
    for before in earlier:
        error.add_note(repr(before))
    return error
