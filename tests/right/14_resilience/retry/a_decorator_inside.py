"""A decorator limits an attempt, a group is the cause, a future and a timer are the wait."""

import asyncio
import functools
import math
from random import Random


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
        self.balance = reserve


RANDOM = Random()


def until(moment):
    def decorate(function):
        @functools.wraps(function)
        async def limited():
            async with asyncio.timeout_at(moment):
                return await function()

        return limited

    return decorate


def retryable(error):
    return isinstance(error, Unavailable | ConnectionError | TimeoutError)


async def timer(seconds):
    loop = asyncio.get_running_loop()
    rung = loop.create_future()
    handle = loop.call_later(seconds, rung.set_result, None)
    try:
        await rung
    finally:
        handle.cancel()


async def retry(operation, *, budget, attempts=4, base=0.1, cap=5.0, deadline=None):
    budget.balance += budget.ratio
    budget.balance = min(budget.balance, budget.reserve)
    loop = asyncio.get_running_loop()
    moment = None if deadline is None else loop.time() + deadline

    @until(moment)
    async def once():
        return await operation()

    failures = []
    doublings = math.ceil(math.log2(cap / base)) + 1 if base > 0 and cap > 0 else 0
    while True:
        try:
            return await once()
        except BaseException as error:
            if retryable(error) and len(failures) < attempts - 1 and budget.balance >= 1:
                n = min(len(failures), max(0, doublings))
                wait = RANDOM.uniform(0, min(cap, base * 2**n))
                wait += (error.retry_after or 0) if isinstance(error, Unavailable) else 0
                if moment is None or loop.time() + wait < moment:
                    budget.balance -= 1
                    failures.append(error)
                    error = None
            if error is not None:
                if failures and isinstance(error, Exception):
                    raise error from ExceptionGroup("earlier attempts", failures)
                raise
        await timer(wait)
