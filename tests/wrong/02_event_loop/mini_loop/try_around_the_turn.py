"""Has a try, around the whole turn: the error is reported, and the rest of the turn is lost.

mistake: loop-dies-of-one-error
fails: test_one_that_raises_does_not_end_the_loop
"""

import heapq
import itertools


class Handle:
    cancelled = False

    def __init__(self, callback, args):
        self.callback, self.args = callback, args

    def cancel(self):
        self.cancelled = True


class MiniLoop:
    def __init__(self, selector, clock, report):
        self.selector, self.clock, self.report = selector, clock, report
        self.ready, self.timers, self.ids = [], [], itertools.count()

    def time(self):
        return self.clock()

    def call_soon(self, callback, *args):
        self.ready.append(Handle(callback, args))
        return self.ready[-1]

    def call_later(self, delay, callback, *args):
        return self.call_at(self.clock() + delay, callback, *args)

    def call_at(self, when, callback, *args):
        handle = Handle(callback, args)
        heapq.heappush(self.timers, (when, next(self.ids), handle))
        return handle

    def next_turn(self):
        if self.ready:
            timeout = 0
        else:
            timeout = max(0, self.timers[0][0] - self.clock()) if self.timers else None
        for key, events in self.selector.select(timeout):
            self.call_soon(key.data, events)
        while self.timers and self.timers[0][0] <= self.clock():
            self.ready.append(heapq.heappop(self.timers)[-1])
        turn, self.ready = self.ready, []
        return turn

    def run(self):
        while True:
            while self.timers and self.timers[0][-1].cancelled:
                heapq.heappop(self.timers)
            if not self.ready and not self.timers and not self.selector.get_map():
                break
            try:
                for handle in self.next_turn():
                    if not handle.cancelled:
                        handle.callback(*handle.args)
            except Exception as error:
                self.report(error)
