"""Calls the sockets' functions straight out of select, and timers after that, one by one."""

import functools
import heapq
from collections import deque


@functools.total_ordering
class Handle:
    made = 0

    def __init__(self, when, call):
        Handle.made += 1
        self.order = (when, Handle.made)
        self.call = call
        self.cancelled = False

    def cancel(self):
        self.cancelled = True

    def __eq__(self, other):
        return self.order == other.order

    def __lt__(self, other):
        return self.order < other.order


class MiniLoop:
    def __init__(self, selector, clock, report):
        self.selector = selector
        self.clock = clock
        self.report = report
        self.soon = deque()
        self.timers = []

    def time(self):
        return self.clock()

    def call_soon(self, callback, *args):
        self.soon.append(Handle(0, functools.partial(callback, *args)))
        return self.soon[-1]

    def call_later(self, delay, callback, *args):
        return self.call_at(self.clock() + delay, callback, *args)

    def call_at(self, when, callback, *args):
        handle = Handle(when, functools.partial(callback, *args))
        heapq.heappush(self.timers, handle)
        return handle

    def guarded(self, call, *args):
        try:
            call(*args)
        except Exception as error:
            self.report(error)

    def run(self):
        while True:
            self.timers = [timer for timer in self.timers if not timer.cancelled]
            heapq.heapify(self.timers)
            count = len(self.soon)
            if not count and not self.timers and not len(self.selector.get_map()):
                return
            timeout = None
            if count:
                timeout = 0
            elif self.timers:
                timeout = max(self.timers[0].order[0] - self.clock(), 0)
            for key, events in self.selector.select(timeout):
                self.guarded(key.data, events)
            now = self.clock()
            due = []
            while self.timers and self.timers[0].order[0] <= now:
                due.append(heapq.heappop(self.timers))
            for handle in due + [self.soon.popleft() for _ in range(count)]:
                if not handle.cancelled:
                    self.guarded(handle.call)
