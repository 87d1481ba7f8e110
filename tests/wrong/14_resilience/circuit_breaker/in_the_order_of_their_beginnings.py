"""The outcomes stand in a list with a line for each call, made as it begins.

Calls that time out are the slowest: they began long ago, and quick ones that came later push them
out of the window before they have ended.

mistake: none
fails: test_calls_count_in_the_order_in_which_they_ended
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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


# Each change of state makes a new object, and a call remembers the one it began in. So whether a
# call is late is one comparison: is that still the state? (eq=False: that object, and no other.)
@dataclass(eq=False)
class _Closed:
    failed: list[tuple[int, bool]]


@dataclass(eq=False)
class _Open:
    until: float


@dataclass(eq=False)
class _Probing:
    pass


class CircuitBreaker:
    """Lets calls through while they go well; `cooldown` and `timeout` are in seconds."""

    def __init__(
        self, *, failures: int = 5, window: int = 10, cooldown: float = 30.0, timeout: float = 10.0
    ) -> None:
        self.failures = failures
        self.window = window
        self.cooldown = cooldown
        self.timeout = timeout
        self._numbers = itertools.count()
        self._state: _Closed | _Open | _Probing = _Closed([])

    async def call(self, operation: Callable[[], Awaitable[T]]) -> T:
        """What `operation` returns; CircuitOpen if it is not called at all."""
        state = self._enter()
        number = next(self._numbers)
        try:
            async with asyncio.timeout(self.timeout):
                result = await operation()
        except (Unavailable, ConnectionError, TimeoutError):
            self._leave(state, number, failed=True)
            raise
        except Declined:
            self._leave(state, number, failed=False)
            raise
        except BaseException:  # a bug, or a cancellation
            self._leave(state, number, failed=None)
            raise
        self._leave(state, number, failed=False)
        return result

    def _enter(self) -> _Closed | _Probing:
        """The state in which a call begins. No await in here: nobody comes in between."""
        state = self._state
        if isinstance(state, _Closed):
            return state
        if isinstance(state, _Probing):
            raise CircuitOpen(0.0)
        left = state.until - time.monotonic()
        if left > 0:
            raise CircuitOpen(left)
        self._state = probing = _Probing()
        return probing

    def _leave(self, state: _Closed | _Probing, number: int, failed: bool | None) -> None:
        """A call that began in `state` has ended; `failed` is None if it says nothing."""
        if state is not self._state:
            return  # late: it tells of a time that is over
        now = time.monotonic()
        if isinstance(state, _Probing):
            if failed:
                self._state = _Open(now + self.cooldown)
            elif failed is None:
                self._state = _Open(now)  # whose cooldown is over: the next call is the probe
            else:
                self._state = _Closed([])
        elif failed is not None:
            state.failed.append((number, failed))
            last = sorted(state.failed)[-self.window :]
            if sum(failed for _, failed in last) >= self.failures:
                self._state = _Open(now + self.cooldown)
