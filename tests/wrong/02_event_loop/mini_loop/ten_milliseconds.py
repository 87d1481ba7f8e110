"""Wakes up every ten milliseconds, to be on the safe side: late by up to as much, and never idle.

mistake: busy-poll
fails: test_it_waits_in_select, test_without_timers_it_waits_for_a_socket,
    test_timers_are_called_at_their_time, test_a_socket_wakes_the_loop,
    test_run_returns_when_nothing_is_left, test_nobody_waits_for_a_cancelled_timer,
    test_late_timers_are_called_in_order, test_calls_asked_for_by_calls_are_made,
    test_a_time_that_has_passed_is_due_at_once, test_no_timer_is_called_too_early
"""

from __future__ import annotations

import heapq
import itertools
import selectors
from collections import deque
from collections.abc import Callable
from typing import Any

TICK = 0.010


class Handle:
    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.callback: Callable[..., object] | None = callback
        self.args = args

    def cancel(self) -> None:
        self.callback = None


class MiniLoop:
    def __init__(self, selector: selectors.BaseSelector, clock: Any, report: Any) -> None:
        self.selector, self.clock, self.report = selector, clock, report
        self.ready: deque[Handle] = deque()
        self.timers: list[tuple[float, int, Handle]] = []
        self.sequence = itertools.count()

    def time(self) -> float:
        return self.clock()

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Handle:
        self.ready.append(handle := Handle(callback, args))
        return handle

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Handle:
        return self.call_at(self.time() + delay, callback, *args)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Handle:
        heapq.heappush(self.timers, (when, next(self.sequence), handle := Handle(callback, args)))
        return handle

    def run(self) -> None:
        while True:
            while self.timers and self.timers[0][2].callback is None:
                heapq.heappop(self.timers)
            if not (self.ready or self.timers or self.selector.get_map()):
                return
            for key, events in self.selector.select(0 if self.ready else TICK):
                self.call_soon(key.data, events)
            while self.timers and self.timers[0][0] <= self.time():
                self.ready.append(heapq.heappop(self.timers)[2])
            for _ in range(len(self.ready)):
                handle = self.ready.popleft()
                if handle.callback is not None:
                    try:
                        handle.callback(*handle.args)
                    except Exception as error:
                        self.report(error)
