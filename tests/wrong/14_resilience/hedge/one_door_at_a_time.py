"""Asks the second door in place of the first, which it cancels: the request is under way once, and
there is nobody left if the second one fails.

mistake: none
fails: test_a_failure_is_no_answer, test_the_first_answer_wins, test_both_failing_is_a_failure,
    test_a_late_answer_is_hedged_after_the_delay, test_too_little_is_known_to_hedge,
    test_the_slow_ones_count, test_the_slower_one_has_ended,
    test_what_the_other_one_raises_is_dropped, test_hedges_are_rationed,
    test_calls_fill_the_budget_to_the_brim, test_it_is_decided_once
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
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

FAILURES = (Unavailable, ConnectionError, TimeoutError)
REPEATABLE = {"GET", "HEAD", "PUT", "DELETE"}
WARM = 20
"""Latencies that a percentile takes, at least."""


class Hedge:
    """Asks `second` as well if `first` is late: `ratio` of a hedge for each call, some in store."""

    def __init__(
        self, first: Door, second: Door, *, ratio: float = 0.05, reserve: float = 5.0
    ) -> None:
        self.first = first
        self.second = second
        self.ratio = ratio
        self.reserve = reserve
        self._tokens = reserve
        self._latencies: deque[float] = deque(maxlen=100)

    async def call(self, request: Request) -> Any:
        """The first answer of either door."""
        self._tokens = min(self.reserve, self._tokens + self.ratio)
        began = time.monotonic()
        first = asyncio.ensure_future(self.first(request))
        doors = [first]
        try:
            await asyncio.wait(doors, timeout=self._delay())
            if not _has_answered(first) and self._may_hedge(request):
                if not first.done():
                    self._latencies.append(time.monotonic() - began)
                    first.cancel()
                    await asyncio.gather(first, return_exceptions=True)
                return await self.second(request)
            waiting = set(doors)
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                winner = next(
                    (door for door in doors if door in done and _has_answered(door)), None
                )
                if winner is not None:
                    if winner is first or first in waiting:
                        # Also if `second` was faster: `first` has taken at least so long. Without
                        # these, the slow ones would be missing from what tells who is slow.
                        self._latencies.append(time.monotonic() - began)
                    return winner.result()
                last = done.pop()
            return last.result()  # which raises
        finally:
            for door in doors:
                door.cancel()
            # gather goes on waiting if we are cancelled meanwhile; asyncio.wait would not.
            await asyncio.gather(*doors, return_exceptions=True)

    def _delay(self) -> float | None:
        """Seconds after which an answer is late; None: never, we know too little."""
        if len(self._latencies) < WARM:
            return None
        rank = math.ceil(len(self._latencies) * 95 / 100)
        return sorted(self._latencies)[rank - 1]

    def _may_hedge(self, request: Request) -> bool:
        """True, and a token is taken; or False."""
        repeatable = request.method in REPEATABLE or request.idempotency_key is not None
        if not repeatable or self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def _has_answered(door: asyncio.Future[Any]) -> bool:
    """Has it returned, or raised something that is an answer?"""
    return door.done() and not isinstance(door.exception(), FAILURES)
