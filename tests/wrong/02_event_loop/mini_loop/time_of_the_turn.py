"""Looks at the clock once a turn, and a delay counts from then, as if no call took any time.

mistake: none
fails: test_no_timer_is_called_too_early
"""

from __future__ import annotations

import heapq
import itertools
import selectors
from collections import deque
from collections.abc import Callable
from typing import Any


class Handle:
    """A call that has been asked for."""

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.callback = callback
        self.args = args
        self.cancelled = False

    def cancel(self) -> None:
        """Take the call back; without effect once it has been made."""
        self.cancelled = True


class MiniLoop:
    """Calls callbacks when they are ready, their time has come, or their socket is ready."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        clock: Callable[[], float],
        report: Callable[[Exception], object],
    ) -> None:
        self.time = clock
        self._selector = selector
        self._report = report
        self._ready: deque[Handle] = deque()
        # (when, number, handle): the number keeps equal times in order, and keeps the comparison
        # of two entries from ever reaching the handles, which have no order.
        self._timers: list[tuple[float, int, Handle]] = []
        self._numbers = itertools.count()

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Handle:
        """Call `callback(*args)` in the next turn."""
        handle = Handle(callback, args)
        self._ready.append(handle)
        return handle

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Handle:
        """Call `callback(*args)` in `delay` seconds."""
        return self.call_at(self._now() + delay, callback, *args)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Handle:
        """Call `callback(*args)` when the clock says `when`."""
        handle = Handle(callback, args)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def run(self) -> None:
        """Run until nothing is ready, no timer waits, and no socket is registered."""
        while True:
            # A cancelled timer stays in the heap, where removing it would be slow, until it is
            # on top: it must not make us wait.
            while self._timers and self._timers[0][2].cancelled:
                heapq.heappop(self._timers)
            if not (self._ready or self._timers or self._selector.get_map()):
                return
            self._turn()

    _at = None

    def _now(self):
        return self.time() if self._at is None else self._at

    def _turn(self) -> None:
        # Also asked when something is ready, with a timeout of 0: sockets get their turn, too.
        for key, events in self._selector.select(self._timeout()):
            self.call_soon(key.data, events)
        now = self._at = self.time()
        while self._timers and self._timers[0][0] <= now:
            self._ready.append(heapq.heappop(self._timers)[2])
        # As many as there are now. What they add waits until the others have had a look.
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            if not handle.cancelled:
                self._call(handle)

    def _timeout(self) -> float | None:
        """How long select may wait: until something else is to be done."""
        if self._ready:
            return 0
        if self._timers:
            return max(0.0, self._timers[0][0] - self.time())
        return None

    def _call(self, handle: Handle) -> None:
        try:
            handle.callback(*handle.args)
        except Exception as error:
            self._report(error)
