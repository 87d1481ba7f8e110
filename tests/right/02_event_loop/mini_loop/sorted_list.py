"""A sorted list instead of a heap, timers removed when they are cancelled, batches swapped."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from typing import Any


class Handle:
    def __init__(self, forget: Callable[[Handle], object], callback: Any, args: Any) -> None:
        self._forget = forget
        self.callback, self.args = callback, args

    def cancel(self) -> None:
        self.callback = None
        self._forget(self)

    def __call__(self) -> None:
        callback, self.callback = self.callback, None
        if callback is not None:
            callback(*self.args)


class MiniLoop:
    def __init__(self, selector: Any, clock: Any, report: Any) -> None:
        self._selector, self._clock, self._report = selector, clock, report
        self._now: list[Handle] = []
        self._timers: list[tuple[float, Handle]] = []

    def time(self) -> float:
        return self._clock()

    def _forget(self, handle: Handle) -> None:
        self._timers = [timer for timer in self._timers if timer[1] is not handle]

    def call_soon(self, callback: Any, *args: Any) -> Handle:
        handle = Handle(self._forget, callback, args)
        self._now.append(handle)
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any) -> Handle:
        return self.call_at(self._clock() + delay, callback, *args)

    def call_at(self, when: float, callback: Any, *args: Any) -> Handle:
        handle = Handle(self._forget, callback, args)
        # insort is insort_right: equal times stay in the order in which they came
        bisect.insort(self._timers, (when, handle), key=lambda timer: timer[0])
        return handle

    def run(self) -> None:
        while self._now or self._timers or self._selector.get_map():
            wait = None
            if self._timers:
                wait = self._timers[0][0] - self._clock()
            if self._now:
                wait = -1
            ready = self._selector.select(wait)
            due = bisect.bisect_right(self._timers, self._clock(), key=lambda timer: timer[0])
            turn = [handle for _, handle in self._timers[:due]]
            del self._timers[:due]
            turn += self._now
            self._now = []
            turn += [Handle(self._forget, key.data, (events,)) for key, events in ready]
            for call in turn:
                try:
                    call()
                except Exception as error:
                    self._report(error)
