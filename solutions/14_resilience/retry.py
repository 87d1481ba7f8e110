"""Try again, without making it worse."""

from __future__ import annotations

import asyncio
import random
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
    """What `operation` returns, at the first attempt or at a later one; the error of the last one.

    Seconds: `base`, `cap` and `deadline` (None: as long as it takes).
    """
    loop = asyncio.get_running_loop()
    over_at = None if deadline is None else loop.time() + deadline
    budget.deposit()
    errors: list[Exception] = []
    bound = base
    while True:
        try:
            # Around the attempt alone, and inside the try: so the deadline's TimeoutError is this
            # attempt's error, and a cancellation from outside stays what it is.
            async with asyncio.timeout_at(over_at):
                return await operation()
        except Exception as error:
            wait = random.uniform(0, min(cap, bound)) + (getattr(error, "retry_after", None) or 0)
            in_time = over_at is None or loop.time() + wait < over_at
            again = isinstance(error, RETRYABLE) and len(errors) + 1 < attempts and in_time
            # The token last: it is taken only if there is a retry to pay for.
            if not (again and budget.withdraw()):
                for number, earlier in enumerate(errors, start=1):
                    error.add_note(f"attempt {number} before it: {earlier!r}")
                raise
            errors.append(error)
        await asyncio.sleep(wait)
        bound = min(cap, bound * 2)  # 2**n alone would be too large for a float one day
