"""The budget grows with every call, and nobody looks at the brim.

After a quiet night there are thousands of retries in it, and they all come out in the first minute
of the outage.

mistake: retry-storm
fails: test_calls_fill_it_up_to_the_brim, test_retries_are_rationed,
       test_all_callers_share_the_budget,
       test_a_provider_that_is_down_is_not_run_over
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
        self.tokens = reserve


async def retry(operation, *, budget, attempts=4, base=0.1, cap=5.0, deadline=None):
    budget.tokens += budget.ratio
    clock = asyncio.get_running_loop().time
    end = None if deadline is None else clock() + deadline
    history = []
    while True:
        try:
            async with asyncio.timeout_at(end):
                return await operation()
        except (Unavailable, ConnectionError, TimeoutError) as error:
            pause = random.uniform(0, min(cap, base * 2.0 ** min(len(history), 60)))
            pause += getattr(error, "retry_after", None) or 0
            history.append(error)
            tired = len(history) >= attempts
            late = end is not None and clock() + pause >= end
            if tired or late or budget.tokens < 1:
                tell(history, error)
                raise
        except Exception as error:
            tell(history, error)
            raise
        budget.tokens -= 1
        await asyncio.sleep(pause)


def tell(history, error):
    for earlier in history:
        if earlier is not error:
            error.add_note(repr(earlier))
