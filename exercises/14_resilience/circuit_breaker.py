"""Stop asking who does not answer.

The payment provider is down. Every order waits for its timeout, holds its connection and its
memory for so long, and fails; and the provider, as soon as it gets up, is run over by all who try.
A circuit breaker sits in between. After some failures it opens, and every call fails at once. After
a while it lets a single call through, to see how things are, and that one decides for all.

Write `CircuitBreaker.call`, and add what you need for it. The three exceptions are given.

Rules
  1. At first the breaker is closed: `call(operation)` awaits `operation()`, and returns what it
     returns or raises what it raises. Any number of calls may be under way at once.
  2. An operation may take `timeout` seconds. Then it is cancelled, and `call` raises TimeoutError.
  3. A call fails if it raises Unavailable, ConnectionError or TimeoutError (rule 2's, too), or a
     kind of these. It succeeds if it returns something or raises Declined: the provider has
     answered. Everything else, such as a bug or a cancellation, whoever's it is, says nothing about
     the provider, and does not count.
  4. Of the calls that count, the breaker looks at the last `window`, in the order in which they
     ended. As soon as `failures` of them have failed, it opens.
  5. While it is open, every call is refused at once: CircuitOpen is raised, and the operation is
     not called. That lasts for `cooldown` seconds, from the failure that opened it. The
     `retry_after` of the CircuitOpen says how many of these seconds are left.
  6. After that it is half-open. The first call that comes is let through: the probe. Until it has
     ended, all others are refused at once, with a `retry_after` of 0.0. If the probe succeeds, the
     breaker is closed, and begins to count anew. If it fails, the breaker is open again, for a
     whole `cooldown` from then. If the probe does not count, the next call is the probe.
  7. Some calls end late, when the breaker has opened since they began, and perhaps has closed
     again. Their callers get what comes of them; for the breaker they do not count.
  8. If `call` is cancelled, so is the operation, and the cancellation goes on. Nothing of the
     breaker runs on its own: no task is left when no call is under way.

Out of scope: operations that refuse to be cancelled, threads, a breaker for several processes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Unavailable(Exception):
    """The provider is in trouble or has too much to do."""


class Declined(Exception):
    """The provider's answer is no: the card has expired, or there is no money."""


class CircuitOpen(Exception):
    """The call was refused; it may be let through in `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"the circuit is open; try again in {retry_after:.1f} s")
        self.retry_after = retry_after


class CircuitBreaker:
    """Lets calls through while they go well; `cooldown` and `timeout` are in seconds."""

    def __init__(
        self, *, failures: int = 5, window: int = 10, cooldown: float = 30.0, timeout: float = 10.0
    ) -> None:
        self.failures = failures
        self.window = window
        self.cooldown = cooldown
        self.timeout = timeout

    async def call(self, operation: Callable[[], Awaitable[T]]) -> T:
        """What `operation` returns; CircuitOpen if it is not called at all."""
        raise NotImplementedError
