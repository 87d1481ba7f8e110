"""Looks at the timers only in turns in which nothing is ready, to save the look at the clock.

mistake: timer-starvation
fails: test_a_call_that_asks_for_itself_starves_no_timer
"""

from __future__ import annotations

import bisect
from typing import Any


class Handle:
    def __init__(self, loop: MiniLoop, call: tuple[Any, ...], when: float = 0) -> None:
        self.loop, self.call, self.when = loop, call, when
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True
        if self in self.loop.timers:
            self.loop.timers.remove(self)


class MiniLoop:
    def __init__(self, selector, clock, report) -> None:
        self.selector, self.time, self.report = selector, clock, report
        self.ready: list[Handle] = []
        self.timers: list[Handle] = []

    def call_soon(self, callback, *args) -> Handle:
        handle = Handle(self, (callback, args))
        self.ready.append(handle)
        return handle

    def call_later(self, delay, callback, *args) -> Handle:
        return self.call_at(self.time() + delay, callback, *args)

    def call_at(self, when, callback, *args) -> Handle:
        handle = Handle(self, (callback, args), when)
        bisect.insort(self.timers, handle, key=lambda timer: timer.when)
        return handle

    def run(self) -> None:
        while self.ready or self.timers or self.selector.get_map():
            if self.ready:
                arrived = self.selector.select(0)
            else:
                pause = self.timers[0].when - self.time() if self.timers else None
                arrived = self.selector.select(pause)
                while self.timers and self.timers[0].when <= self.time():
                    self.ready.append(self.timers.pop(0))
            self.ready += [Handle(self, (key.data, (events,))) for key, events in arrived]
            turn, self.ready = self.ready, []
            for handle in turn:
                if handle.cancelled:
                    continue
                callback, args = handle.call
                try:
                    callback(*args)
                except Exception as error:
                    self.report(error)
