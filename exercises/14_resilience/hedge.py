"""Ask twice when the first answer is late.

The payment provider has two front doors. An answer takes a twentieth of a second, and one in fifty
takes two seconds, since a machine behind it is busy with something else. A page that asks ten
questions meets such a one on every fifth view. So ask at the other door, too, when an answer is
late, and take what comes first. Not at once, or the provider has twice the load; not if everything
is slow, for the same reason; and not if asking twice is doing twice.

Write `Hedge.call`, and add what you need for it. The exceptions and `Request` are given.

Rules
  1. `call(request)` awaits `first(request)`. What a door returns is its answer; so is every
     exception but Unavailable, ConnectionError and TimeoutError (and kinds of these): with one of
     these the door has failed. The first answer to come is the result of the call: returned, or
     raised.
  2. If `first` has not answered after the delay, or fails before that, the same request goes to
     `second`, too, at once, if rules 4 and 5 allow it: a hedge. This is decided once, and there is
     no third. A failure of one door leaves the other one at work.
  3. The delay is the 95th percentile of the last 100 latencies of `first`: the smallest of them
     that is no less than 95 percent of all (of 20 latencies, the 19th in order of size). As long as
     there are fewer than 20, `first` may take as long as it likes. A latency is the time from
     sending until the answer. If `second` was faster, `first` has been under way until then, and
     that time is its latency. Failures have none.
  4. A request may be sent twice if its method is GET, HEAD, PUT or DELETE, or if it has an
     idempotency key. Any other one never goes to `second`, whatever happens to it.
  5. Hedges are rationed, as retries are: `reserve` tokens at first and at most; every call adds
     `ratio` of a token when it begins, and every hedge takes a whole one. Without one, no hedge.
  6. If no door is left that could answer, the error of the one that failed last is raised, the
     exception itself.
  7. When `call` ends, however it does, both doors have: the one that is not needed is cancelled and
     has cleaned up, and what it raises meanwhile interests nobody. So it is if `call` is
     cancelled, at whatever moment; if there was no answer yet, the cancellation goes on.

Out of scope: doors that refuse to be cancelled, timeouts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


class Unavailable(Exception):
    """The provider is in trouble or has too much to do."""


class Declined(Exception):
    """The provider's answer is no: the card has expired, or there is no money."""


@dataclass(frozen=True)
class Request:
    """What the provider is asked; `method` is "GET", "POST", ..."""

    method: str
    path: str
    idempotency_key: str | None = None


Door = Callable[[Request], Awaitable[Any]]


class Hedge:
    """Asks `second` as well if `first` is late: `ratio` of a hedge for each call, some in store."""

    def __init__(
        self, first: Door, second: Door, *, ratio: float = 0.05, reserve: float = 5.0
    ) -> None:
        self.first = first
        self.second = second
        self.ratio = ratio
        self.reserve = reserve

    async def call(self, request: Request) -> Any:
        """The first answer of either door."""
        raise NotImplementedError
