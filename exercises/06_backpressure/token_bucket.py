"""Keep to a rate, and allow for bursts.

A service that you call allows 5 requests a second on average, and up to 10 in one go if you have
been quiet for a while. The usual measure is a bucket: tokens drip into it at a steady rate until it
is full, each request takes some out, and whoever finds too few waits until they are there.

Write `TokenBucket`.

Rules
  1. The bucket holds `burst` tokens when it is made. It gains `rate` tokens a second, evenly, not
     in jumps, and never holds more than `burst`. So in any span of t seconds no more than
     burst + rate * t tokens are given out.
  2. `acquire(cost)` takes `cost` tokens. It returns as soon as they are there: at once, if they are
     there when it is called and nobody else is waiting.
  3. Callers are served in the order in which they called. One who wants little does not overtake
     one who wants much.
  4. Who waits sleeps until the tokens are there, and does not wake up every so often to look. When
     nobody waits, nothing of the bucket is running: no task, and no timer.
  5. If `acquire` is cancelled, at whatever moment, it takes no tokens, the cancellation goes on to
     the caller, and those behind move up as if it had never been in the queue.
  6. A cost of more than `burst` can never be met: ValueError, at once.

A clock is `time.monotonic()`. Being late by less than a millisecond is not being late.

Out of scope: several threads, or several processes that share a rate; nonsense such as a rate of 0
or a cost of -1.
"""

from __future__ import annotations


class TokenBucket:
    """Gives out `rate` tokens a second (tokens/s), and up to `burst` at once."""

    def __init__(self, rate: float, burst: int) -> None:
        raise NotImplementedError

    async def acquire(self, cost: int = 1) -> None:
        """Take `cost` tokens, as soon as they are there; ValueError if that can never be."""
        raise NotImplementedError
