"""Asks the selector with a timeout of 0 in every turn: right results, and a core at 100 percent.

mistake: busy-poll
fails: test_it_waits_in_select, test_without_timers_it_waits_for_a_socket,
    test_timers_are_called_at_their_time, test_no_timer_is_called_too_early,
    test_calls_asked_for_by_calls_are_made, test_equal_times_keep_their_order,
    test_a_cancelled_call_is_not_made, test_cancel_twice_or_too_late_is_no_error,
    test_nobody_waits_for_a_cancelled_timer, test_a_timer_that_sets_itself_again_starves_nobody,
    test_a_socket_wakes_the_loop, test_one_that_raises_does_not_end_the_loop,
    test_ctrl_c_leaves_the_loop, test_run_returns_when_nothing_is_left,
    test_run_goes_on_while_a_socket_is_registered
"""

import heapq
from collections import deque


class Handle:
    def __init__(self, when, number, callback, args):
        self.when, self.number = when, number
        self.callback, self.args = callback, args
        self.cancelled = False

    def __lt__(self, other):
        return (self.when, self.number) < (other.when, other.number)

    def cancel(self):
        self.cancelled = True


class MiniLoop:
    def __init__(self, selector, clock, report):
        self.selector, self.clock, self.report = selector, clock, report
        self.ready = deque()
        self.timers = []
        self.number = 0

    def time(self):
        return self.clock()

    def _handle(self, when, callback, args):
        self.number += 1
        return Handle(when, self.number, callback, args)

    def call_soon(self, callback, *args):
        handle = self._handle(0, callback, args)
        self.ready.append(handle)
        return handle

    def call_later(self, delay, callback, *args):
        return self.call_at(self.time() + delay, callback, *args)

    def call_at(self, when, callback, *args):
        handle = self._handle(when, callback, args)
        heapq.heappush(self.timers, handle)
        return handle

    def run(self):
        while self.ready or self.timers or self.selector.get_map():
            for key, events in self.selector.select(0):
                self.call_soon(key.data, events)
            while self.timers and (self.timers[0].cancelled or self.timers[0].when <= self.time()):
                self.ready.append(heapq.heappop(self.timers))
            for _ in range(len(self.ready)):
                handle = self.ready.popleft()
                if not handle.cancelled:
                    try:
                        handle.callback(*handle.args)
                    except Exception as error:
                        self.report(error)
