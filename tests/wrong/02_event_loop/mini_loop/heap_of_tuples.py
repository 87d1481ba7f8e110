"""Keeps (when, callback, args) in the heap.

Tuples are compared item by item: two timers of one time compare their functions, which have no
order. It works until two deadlines are equal, which a test with real clocks never sees.

mistake: heap-compares-callbacks
fails: test_equal_times_keep_their_order, test_a_cancelled_call_is_not_made,
    test_nobody_waits_for_a_cancelled_timer, test_a_timer_that_sets_itself_again_starves_nobody,
    test_one_that_raises_does_not_end_the_loop, test_a_time_that_has_passed_is_due_at_once
"""

import heapq
from collections import deque


class Handle:
    def __init__(self, call):
        self.call = call
        self.cancelled = False

    def cancel(self):
        self.cancelled = True


class MiniLoop:
    def __init__(self, selector, clock, report):
        self.selector, self.clock, self.report = selector, clock, report
        self.ready = deque()
        self.timers = []

    def time(self):
        return self.clock()

    def call_soon(self, callback, *args):
        handle = Handle((callback, args))
        self.ready.append((callback, args, handle))
        return handle

    def call_later(self, delay, callback, *args):
        return self.call_at(self.clock() + delay, callback, *args)

    def call_at(self, when, callback, *args):
        handle = Handle((callback, args))
        heapq.heappush(self.timers, (when, callback, args, handle))
        return handle

    def run(self):
        while True:
            while self.timers and self.timers[0][3].cancelled:
                heapq.heappop(self.timers)
            if not self.ready and not self.timers and not self.selector.get_map():
                break
            timeout = None
            if self.ready:
                timeout = 0
            elif self.timers:
                timeout = self.timers[0][0] - self.clock()
            for key, events in self.selector.select(timeout):
                self.call_soon(key.data, events)
            while self.timers and self.timers[0][0] <= self.clock():
                _, callback, args, handle = heapq.heappop(self.timers)
                self.ready.append((callback, args, handle))
            for _ in range(len(self.ready)):
                callback, args, handle = self.ready.popleft()
                if handle.cancelled:
                    continue
                try:
                    callback(*args)
                except Exception as error:
                    self.report(error)
