"""One timeout around the whole loop, and a look at the clock before each wait."""

import asyncio
import logging
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
        self.ratio, self.reserve = ratio, reserve
        self.tokens = reserve


log = logging.getLogger("retry")


async def retry(operation, *, budget, attempts=4, base=0.1, cap=5.0, deadline=None):
    budget.tokens = min(budget.reserve, budget.tokens + budget.ratio)
    errors = []
    start = time.perf_counter()
    try:
        async with asyncio.timeout(deadline) as clock:
            for number in range(attempts):
                try:
                    result = await operation()
                except (Unavailable, ConnectionError, TimeoutError) as error:
                    log.warning("attempt %d failed: %s", number + 1, error)
                    errors.append(error)
                    wait = random.uniform(0, min(cap, base * 2**number))
                    if isinstance(error, Unavailable) and error.retry_after:
                        wait += error.retry_after
                    spent = time.perf_counter() - start
                    if deadline is not None and spent + wait >= deadline:
                        break
                    if number == attempts - 1 or budget.tokens < 1:
                        break
                    budget.tokens -= 1
                    await asyncio.sleep(wait)
                else:
                    return result
    except TimeoutError as late:
        if not clock.expired():
            raise
        for e in errors:
            late.add_note(f"{type(e).__name__}: {e}")
        raise
    *earlier, last = errors
    for e in earlier:
        last.add_note(f"{type(e).__name__}: {e}")
    raise last
