"""One budget of time for a call and everything below it.

A visitor waits two seconds for a page, and then leaves. The page asks for the login, the stock and
the price; the price asks the tax office. Each of these calls has a timeout of a second, which
sounds careful, and together they may take four. What is needed is one budget: it is set where the
visitor comes in, each call uses up some of it, and whoever is asked is told how much is left.

Write `deadline`, `time_left` and `call`. They are used like this:

    async with deadline(2.0):
        user = await call(login, at_most=1.0)      # awaits login(1.0)
        price = await call(prices, at_most=1.0)    # awaits prices(0.7), if that is all that is left

A service is an async function of one argument: for how many seconds the caller will wait, or None
if for ever.

Rules
  1. A block `async with deadline(seconds)` takes `seconds` at most. When they are over, what the
     block is waiting for is cancelled, and when that has cleaned up, the block raises TimeoutError.
     A task that has been cancelled may use one to limit its own cleaning up.
  2. Deadlines nest, in one function or across many. The earliest counts: a deadline inside another
     one can make the time shorter, and never longer.
  3. `time_left()` is the time until the earliest deadline around the caller, in seconds, never less
     than 0.0, and None without one. Tasks that are started in the block see it, too. Others do not:
     each visitor has a deadline of their own.
  4. `call(service, at_most=x)` awaits `service(seconds)`, where `seconds` is `time_left()` or
     `at_most`, whichever is smaller. If the service takes longer, it is cancelled, and when it has
     cleaned up, `call` raises TimeoutError. If no time is left, the service is not called at all:
     TimeoutError.
  5. What a service returns or raises comes out of `call` as it is, and of the block as well.
  6. A cancellation from outside stays a cancellation, whenever it comes: services clean up, and
     then the task ends with CancelledError, and never with TimeoutError, even if the time runs out
     at the same moment, or while things are being cleaned up.
  7. When a block or a call is over, however it ended, it leaves nothing behind: no timer that
     strikes later, and no trace of its cancelling that an asyncio.timeout around it could stumble
     over.

Out of scope: services that refuse to be cancelled, tasks that outlive the block that started them,
deadlines of zero seconds, whether time_left() knows of a call's at_most, and which exception comes
out if a service fails while it cleans up.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

T = TypeVar("T")


def deadline(seconds: float) -> AbstractAsyncContextManager[None]:
    """A block that raises TimeoutError when it has not ended after `seconds`."""
    raise NotImplementedError


def time_left() -> float | None:
    """Seconds until the earliest deadline around the caller, at least 0.0; None without one."""
    raise NotImplementedError


async def call(
    service: Callable[[float | None], Coroutine[Any, Any, T]], *, at_most: float | None = None
) -> T:
    """Await `service(seconds)`, for as long as the deadline and `at_most` allow."""
    raise NotImplementedError
