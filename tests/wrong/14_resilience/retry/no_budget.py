"""Full jitter, a cap, a deadline: all that the blog post says. The budget is there for others.

Each call is polite, and on a bad day there are four times as many of them.

mistake: retry-storm
fails: test_retries_are_rationed, test_all_callers_share_the_budget, test_no_token_no_wait,
       test_only_retries_cost_anything, test_calls_fill_it_up_to_the_brim,
       test_each_budget_is_for_itself, test_a_slow_provider_comes_back,
       test_a_provider_that_is_down_is_not_run_over, test_they_are_told_however_it_ends,
       test_cancelled_it_ends_at_once
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
        pass


async def retry(operation, *, budget, attempts=4, base=0.1, cap=5.0, deadline=None):
    loop = asyncio.get_running_loop()
    end = None if deadline is None else loop.time() + deadline
    bound, errors = base, []
    for left in reversed(range(attempts)):
        try:
            async with asyncio.timeout_at(end):
                return await operation()
        except (Unavailable, ConnectionError, TimeoutError) as error:
            pause = random.uniform(0, min(cap, bound)) + (getattr(error, "retry_after", None) or 0)
            if not left or (end is not None and loop.time() + pause >= end):
                tell(error, errors)
                raise
            errors.append(error)
        except Exception as error:
            tell(error, errors)
            raise
        await asyncio.sleep(pause)
        bound = min(bound * 2, cap)
    raise ValueError("attempts is 1 or more")


def tell(error, errors):
    for earlier in errors:
        error.add_note(f"before: {earlier!r}")
