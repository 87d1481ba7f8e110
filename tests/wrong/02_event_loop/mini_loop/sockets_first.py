"""Serves the sockets first, and goes round again while there are any: "network before everything".

On a quiet machine nobody notices. Under load some socket is always ready, and timers stop.

mistake: timer-starvation
fails: test_sockets_that_are_always_ready_starve_nobody
"""

from __future__ import annotations

import heapq
import itertools
import selectors
from collections import deque
from collections.abc import Callable
from typing import Any


class Handle:
    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.callback, self.args = callback, args
        self.live = True

    def cancel(self) -> None:
        self.live = False


class MiniLoop:
    def __init__(self, selector: selectors.BaseSelector, clock: Any, report: Any) -> None:
        self.selector, self.clock, self.report = selector, clock, report
        self.ready: deque[Handle] = deque()
        self.timers: list[tuple[float, int, Handle]] = []
        self.numbers = itertools.count()

    def time(self) -> float:
        return self.clock()

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Handle:
        self.ready.append(handle := Handle(callback, args))
        return handle

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Handle:
        return self.call_at(self.time() + delay, callback, *args)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Handle:
        heapq.heappush(self.timers, (when, next(self.numbers), handle := Handle(callback, args)))
        return handle

    def run(self) -> None:
        while self.anything():
            if sockets := self.selector.select(self.timeout()):
                for key, events in sockets:
                    self.safely(key.data, events)
                continue
            now = self.time()
            while self.timers and self.timers[0][0] <= now:
                self.ready.append(heapq.heappop(self.timers)[2])
            for _ in range(len(self.ready)):
                handle = self.ready.popleft()
                if handle.live:
                    self.safely(handle.callback, *handle.args)

    def anything(self) -> bool:
        while self.timers and not self.timers[0][2].live:
            heapq.heappop(self.timers)
        return bool(self.ready or self.timers or self.selector.get_map())

    def timeout(self) -> float | None:
        if self.ready:
            return 0
        return max(0.0, self.timers[0][0] - self.time()) if self.timers else None

    def safely(self, callback: Callable[..., object], *args: Any) -> None:
        try:
            callback(*args)
        except Exception as error:
            self.report(error)
