"""Try again, without making it worse.

The shop takes money through a payment provider. Now and then a call fails because of the moment,
and a moment later it would have gone well; so you try again. But on a bad day all calls fail. If
each of them is tried four times, the provider, which could not bear the load as it was, gets four
times as much, and does not come back. A retry has to know three things: whether it makes sense,
when, and whether there are too many of its kind already.

Write `retry`, and add to `RetryBudget` what you need. `Unavailable` and `Declined` are given.

Rules
  1. The first attempt, `await operation()`, is made at once. What it returns is the result,
     whatever it is. Repeating it does no harm: every operation carries an idempotency key.
  2. If an attempt ends with Unavailable, ConnectionError or TimeoutError (or a kind of these),
     another one may go better. Everything else is raised at once: an answer (Declined), a bug, a
     cancellation.
  3. There are `attempts` attempts at most. Before each retry there is a wait, for a random time,
     evenly distributed between 0 and min(cap, base * 2**n) seconds (full jitter); n is 0 before the
     first retry of a call, 1 before the second, and so on. Each wait is drawn anew, from `random`.
  4. If the error has a `retry_after`, the wait is so much longer: `retry_after` seconds, and the
     random time on top. `cap` bounds the random time only.
  5. `deadline` seconds after it was called, `retry` is over. An attempt that is still at work then
     is cancelled, and its error is a TimeoutError. A wait that would end at the deadline or later
     is not begun.
  6. Retries are rationed by a budget that many callers share. It holds at most `reserve` tokens,
     and that many at first. Every call of `retry` adds `ratio` of a token when it begins. Every
     retry takes a whole token, before its wait; if there is none, there is no retry. First attempts
     need no token, nothing but a retry takes one, and none is given back.
  7. When no further attempt is to come, for whichever of these reasons, the error is raised at
     once. It is the error of the last attempt, the exception itself. If all attempts have failed,
     whoever prints its traceback (`traceback.format_exception`) reads there what the earlier ones
     raised, too.
  8. If `retry` is cancelled, it ends at once: the attempt at work is cancelled, no other one is
     made, and the cancellation goes on to the caller.

Out of scope: operations that refuse to be cancelled, and more than one event loop.
"""

from __future__ import annotations

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


class RetryBudget:
    """How many retries all callers together may make: `ratio` for each call, `reserve` in store."""

    def __init__(self, *, ratio: float = 0.1, reserve: float = 10.0) -> None:
        self.ratio = ratio
        self.reserve = reserve


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
    raise NotImplementedError
