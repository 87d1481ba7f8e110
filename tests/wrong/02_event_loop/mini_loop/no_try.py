"""Calls the callbacks, and lets them raise. The first bad request ends the whole server.

mistake: loop-dies-of-one-error
fails: test_one_that_raises_does_not_end_the_loop
"""

import heapq
from collections import deque


class Handle:
    def __init__(self, callback, args):
        self.callback = callback
        self.args = args
        self.cancelled = False

    def cancel(self):
        self.cancelled = True


class MiniLoop:
    def __init__(self, selector, clock, report):
        self.selector = selector
        self.clock = clock
        self.ready = deque()
        self.timers = []
        self.number = 0

    def time(self):
        return self.clock()

    def call_soon(self, callback, *args):
        handle = Handle(callback, args)
        self.ready.append(handle)
        return handle

    def call_later(self, delay, callback, *args):
        return self.call_at(self.time() + delay, callback, *args)

    def call_at(self, when, callback, *args):
        self.number += 1
        handle = Handle(callback, args)
        heapq.heappush(self.timers, (when, self.number, handle))
        return handle

    def run(self):
        while True:
            self.timers = [timer for timer in self.timers if not timer[2].cancelled]
            heapq.heapify(self.timers)
            if not (self.ready or self.timers or self.selector.get_map()):
                return
            if self.ready:
                timeout = 0
            elif self.timers:
                timeout = max(0, self.timers[0][0] - self.time())
            else:
                timeout = None
            for key, events in self.selector.select(timeout):
                self.call_soon(key.data, events)
            while self.timers and self.timers[0][0] <= self.time():
                self.ready.append(heapq.heappop(self.timers)[2])
            for _ in range(len(self.ready)):
                handle = self.ready.popleft()
                if not handle.cancelled:
                    handle.callback(*handle.args)
