"""Each attempt begins the next one from its except block, so that Python chains the errors."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Unavailable(Exception):
    """The provider is in trouble or has too much to do.

    `retry_after`: for so many seconds it asks not to be called again; None if it does not say.
    """

    def __init__(self, message: str = "unavailable", *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Declined(Exception):
    """The provider's answer is no: the card has expired, or there is no money."""


# Not OSError: a ConnectionError and a TimeoutError are one, but so is a missing file.
RETRYABLE = (Unavailable, ConnectionError, TimeoutError)


class RetryBudget:
    """How many retries all callers together may make: `ratio` for each call, `reserve` in store."""

    def __init__(self, *, ratio: float = 0.1, reserve: float = 10.0) -> None:
        self.ratio = ratio
        self.reserve = reserve
        self._tokens = reserve

    def deposit(self) -> None:
        """A call begins. There is a brim: what a quiet night saves up must not be a storm."""
        self._tokens = min(self.reserve, self._tokens + self.ratio)

    def withdraw(self) -> bool:
        """Take a token for a retry; False if there is none."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


async def retry(
    operation: Callable[[], Awaitable[T]],
    *,
    budget: RetryBudget,
    attempts: int = 4,
    base: float = 0.1,
    cap: float = 5.0,
    deadline: float | None = None,
) -> T:
    budget.deposit()
    over_at = None if deadline is None else time.monotonic() + deadline

    async def attempt(n: int) -> T:
        left = None if over_at is None else over_at - time.monotonic()
        try:
            return await asyncio.wait_for(operation(), left)
        except RETRYABLE as error:
            wait = random.random() * min(cap, base * (1 << n))
            wait += getattr(error, "retry_after", None) or 0
            late = over_at is not None and time.monotonic() + wait >= over_at
            if n + 1 >= attempts or late or not budget.withdraw():
                raise
            await asyncio.sleep(wait)
            return await attempt(n + 1)  # still in the except: that chains the errors

    return await attempt(0)
