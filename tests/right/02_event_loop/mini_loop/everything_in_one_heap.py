"""One heap for all: a call for now is a timer whose time is the beginning of the world."""

import heapq
import itertools


class Handle(list):
    """[when, number, callback, args]: compared by the first items, and the number differs."""

    def cancel(self):
        self[2] = None


class MiniLoop:
    def __init__(self, selector, clock, report):
        self.selector, self.clock, self.report = selector, clock, report
        self.heap = []
        self.number = itertools.count().__next__

    def time(self):
        return self.clock()

    def call_soon(self, callback, *args):
        return self.call_at(float("-inf"), callback, *args)

    def call_later(self, delay, callback, *args):
        return self.call_at(self.time() + delay, callback, *args)

    def call_at(self, when, callback, *args):
        handle = Handle([when, self.number(), callback, args])
        heapq.heappush(self.heap, handle)
        return handle

    def run(self):
        while True:
            while self.heap and self.heap[0][2] is None:
                heapq.heappop(self.heap)
            if self.heap:
                pairs = self.selector.select(max(0, self.heap[0][0] - self.time()))
            elif self.selector.get_map():
                pairs = self.selector.select()
            else:
                break
            for key, events in pairs:
                self.call_soon(key.data, events)
            turn = []
            while self.heap and self.heap[0][0] <= self.time():
                turn.append(heapq.heappop(self.heap))
            for handle in turn:
                _, _, callback, args = handle
                if callback is None:
                    continue
                try:
                    callback(*args)
                except Exception as error:
                    self.report(error)
