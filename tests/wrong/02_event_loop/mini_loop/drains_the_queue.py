"""Empties the ready queue before it looks at anything else.

As long as calls ask for further calls, the queue is not empty, and nobody looks at the clock.

mistake: timer-starvation
fails: test_a_call_that_asks_for_itself_starves_no_timer,
    test_a_call_that_asks_for_itself_starves_no_socket
"""

import heapq
from collections import deque
from itertools import count


class Handle:
    def __init__(self, callback, args):
        self._callback, self._args = callback, args

    def cancel(self):
        self._callback = None

    def run(self):
        if self._callback is not None:
            self._callback(*self._args)


class MiniLoop:
    def __init__(self, selector, clock, report):
        self._selector = selector
        self._clock = clock
        self._report = report
        self._queue = deque()
        self._heap = []
        self._count = count()

    def time(self):
        return self._clock()

    def call_soon(self, callback, *args):
        handle = Handle(callback, args)
        self._queue.append(handle)
        return handle

    def call_later(self, delay, callback, *args):
        return self.call_at(self.time() + delay, callback, *args)

    def call_at(self, when, callback, *args):
        handle = Handle(callback, args)
        heapq.heappush(self._heap, (when, next(self._count), handle))
        return handle

    def run(self):
        while True:
            while self._queue:
                try:
                    self._queue.popleft().run()
                except Exception as error:
                    self._report(error)
            while self._heap and self._heap[0][2]._callback is None:
                heapq.heappop(self._heap)
            timeout = None
            if self._heap:
                timeout = max(0, self._heap[0][0] - self.time())
            elif not self._selector.get_map():
                return
            for key, events in self._selector.select(timeout):
                self.call_soon(key.data, events)
            now = self.time()
            while self._heap and self._heap[0][0] <= now:
                self._queue.append(heapq.heappop(self._heap)[2])
