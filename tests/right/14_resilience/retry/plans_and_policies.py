"""A generator plans the waits, a policy decides, and each attempt is a task of its own."""

import asyncio
import itertools
import random
from dataclasses import dataclass, field


class Unavailable(Exception):
    def __init__(self, message="unavailable", *, retry_after=None):
        super().__init__(message)
        self.retry_after = retry_after


class Declined(Exception):
    pass


@dataclass
class RetryBudget:
    ratio: float = 0.1
    reserve: float = 10.0
    tokens: float = field(init=False)

    def __post_init__(self):
        self.tokens = self.reserve

    def __iadd__(self, calls):
        self.tokens = min(self.reserve, self.tokens + calls * self.ratio)
        return self


def waits(base, cap, attempts):
    bounds = itertools.accumulate(itertools.repeat(2), lambda b, _: min(cap, b * 2), initial=base)
    for bound in itertools.islice(bounds, attempts - 1):
        yield random.SystemRandom().uniform(0.0, min(cap, bound))


@dataclass
class Policy:
    end: float
    budget: RetryBudget

    def allows(self, error, wait):
        match error:
            case Unavailable() | ConnectionError() | TimeoutError():
                pass
            case _:
                return False
        now = asyncio.get_running_loop().time()
        if wait is None or now + wait >= self.end or self.budget.tokens < 1.0:
            return False
        self.budget.tokens -= 1.0
        return True


async def attempt(operation, end):
    """The result or the exception; at the end of time a TimeoutError. Cancelled, so is the task."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(operation())
    left = None if end == float("inf") else max(0.0, end - loop.time())
    try:
        await asyncio.wait({task}, timeout=left)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    return task


async def retry(operation, *, budget, attempts=4, base=0.1, cap=5.0, deadline=None):
    budget += 1
    end = float("inf") if deadline is None else asyncio.get_running_loop().time() + deadline
    policy, plan, errors = Policy(end, budget), waits(base, cap, attempts), []
    while True:
        task = await attempt(operation, end)
        if task.cancelled() and asyncio.get_running_loop().time() >= end:
            error = TimeoutError("the deadline has passed")
        else:
            error = task.exception()
        if error is None:
            return task.result()
        wait = next(plan, None)
        if wait is not None:
            wait += getattr(error, "retry_after", None) or 0.0
        if not policy.allows(error, wait):
            for number, earlier in enumerate(errors, 1):
                error.add_note(f"{number}. {type(earlier).__name__}: {earlier}")
            raise error
        errors.append(error)
        await asyncio.sleep(wait)
