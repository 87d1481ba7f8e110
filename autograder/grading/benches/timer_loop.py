"""An event loop in virtual time, for graders of what runs on a loop: callbacks and timers."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any


class TimerHandle:
    """A call that waits for its time."""

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.callback = callback
        self.args = args
        self.cancelled = False

    def cancel(self) -> None:
        """Take the call back."""
        self.cancelled = True


class TimerLoop:
    """Makes calls in the order of their times, equal times in the order they were asked for.

    Time is virtual: it jumps to the next call. What a call raises is kept in ``errors``.
    """

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self._now = 0.0
        self._calls: list[tuple[float, int, TimerHandle]] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def call_soon(self, callback: Callable[..., object], *args: Any) -> TimerHandle:
        """Call ``callback(*args)`` after the calls that are ready already."""
        return self.call_at(self._now, callback, *args)

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> TimerHandle:
        """Call ``callback(*args)`` in ``delay`` seconds."""
        return self.call_at(self._now + delay, callback, *args)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> TimerHandle:
        """Call ``callback(*args)`` at the time ``when``."""
        if not callable(callback):
            raise TypeError(
                f"the loop wants a function to call later, and was given {callback!r}; "
                "write call_soon(f, x), not call_soon(f(x))"
            )
        handle = TimerHandle(callback, args)
        heapq.heappush(self._calls, (max(when, self._now), next(self._numbers), handle))
        return handle

    def run(self, most: int = 20_000) -> None:
        """Run until nothing is left; AssertionError after ``most`` calls."""
        for _ in range(most):
            if not self._calls:
                return
            when, _, handle = heapq.heappop(self._calls)
            if handle.cancelled:
                continue
            self._now = when
            try:
                handle.callback(*handle.args)
            except Exception as error:
                self.errors.append(error)
        raise AssertionError(
            f"after {most:,} calls, at {self._now:g} s, there was still something to do: "
            "somebody asks for a call again and again"
        )
