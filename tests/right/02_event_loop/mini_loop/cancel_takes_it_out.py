"""Cancelling takes a call out of whatever list it is in, also while a turn is going on."""

from __future__ import annotations

import bisect
import selectors
from collections.abc import Callable
from typing import Any


class Handle:
    def __init__(self, call: Callable[[], object], home: list[Handle], when: float = 0.0) -> None:
        self.call, self.home, self.when = call, home, when

    def cancel(self) -> None:
        if self in self.home:
            self.home.remove(self)

    def move(self, home: list[Handle]) -> None:
        self.home = home
        home.append(self)


class MiniLoop:
    def __init__(self, selector: selectors.BaseSelector, clock: Any, report: Any) -> None:
        self.selector, self.time, self.report = selector, clock, report
        self.soon: list[Handle] = []
        self.timers: list[Handle] = []

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Handle:
        handle = Handle(lambda: callback(*args), self.soon)
        self.soon.append(handle)
        return handle

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Handle:
        return self.call_at(self.time() + delay, callback, *args)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Handle:
        handle = Handle(lambda: callback(*args), self.timers, when)
        bisect.insort_right(self.timers, handle, key=lambda other: other.when)
        return handle

    def run(self) -> None:
        while self.soon or self.timers or self.selector.get_map():
            self.turn()

    def turn(self) -> None:
        batch: list[Handle] = []
        for key, events in self.selector.select(self.timeout()):
            batch.append(Handle(lambda key=key, events=events: key.data(events), batch))
        now = self.time()
        while self.timers and self.timers[0].when <= now:
            self.timers.pop(0).move(batch)
        while self.soon:
            self.soon.pop(0).move(batch)
        while batch:
            handle = batch.pop(0)
            try:
                handle.call()
            except Exception as error:
                self.report(error)

    def timeout(self) -> float | None:
        if self.soon:
            return 0
        # A negative timeout is as good as 0: select says so.
        return self.timers[0].when - self.time() if self.timers else None
