"""A dataclass with order=True: tidy, and it compares every field, the callback and its args too.

mistake: heap-compares-callbacks
fails: test_equal_times_keep_their_order, test_a_cancelled_call_is_not_made,
    test_nobody_waits_for_a_cancelled_timer, test_a_timer_that_sets_itself_again_starves_nobody,
    test_one_that_raises_does_not_end_the_loop, test_a_time_that_has_passed_is_due_at_once
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(order=True)
class Handle:
    when: float
    callback: Callable[..., object]
    args: tuple[Any, ...]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class MiniLoop:
    def __init__(self, selector, clock, report) -> None:
        self.selector = selector
        self.time = clock
        self.report = report
        self.ready: list[Handle] = []
        self.timers: list[Handle] = []

    def call_soon(self, callback, *args) -> Handle:
        self.ready.append(Handle(0.0, callback, args))
        return self.ready[-1]

    def call_later(self, delay, callback, *args) -> Handle:
        return self.call_at(self.time() + delay, callback, *args)

    def call_at(self, when, callback, *args) -> Handle:
        handle = Handle(when, callback, args)
        heapq.heappush(self.timers, handle)
        return handle

    def run(self) -> None:
        while self.work_is_left():
            if self.ready:
                timeout = 0.0
            else:
                timeout = self.timers[0].when - self.time() if self.timers else None
            for key, events in self.selector.select(timeout):
                self.call_soon(key.data, events)
            while self.timers and self.timers[0].when <= self.time():
                self.ready.append(heapq.heappop(self.timers))
            now, self.ready = self.ready, []
            for handle in now:
                if not handle.cancelled:
                    try:
                        handle.callback(*handle.args)
                    except Exception as error:
                        self.report(error)

    def work_is_left(self) -> bool:
        while self.timers and self.timers[0].cancelled:
            heapq.heappop(self.timers)
        return bool(self.ready or self.timers or self.selector.get_map())
