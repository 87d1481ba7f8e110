"""A semaphore counts what can be read, the mark of what was missed included; deque(maxlen)."""

import asyncio
import collections
import itertools
import logging
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    topic: str
    payload: Any = None


@dataclass(frozen=True)
class Missed:
    count: int


class BusClosed(Exception):
    pass


log = logging.getLogger(__name__)
END = object()


class Subscription:
    def __init__(self, pattern, capacity, leave):
        self.pattern = pattern
        self.buffer = collections.deque(maxlen=capacity)
        self.gap = 0
        self.readable = asyncio.Semaphore(0)
        self.leave = leave
        self.finished = False

    def push(self, event):
        if len(self.buffer) == self.buffer.maxlen:
            if not self.gap:
                self.readable.release()
            self.gap += 1
            log.debug("%s is slow: %s dropped", self, self.gap)
        else:
            self.readable.release()
        self.buffer.append(event)

    def finish(self):
        if not self.finished:
            self.finished = True
            self.readable.release()

    def __aiter__(self):
        return self

    async def __anext__(self):
        await self.readable.acquire()
        if self.gap:
            gap, self.gap = self.gap, 0
            return Missed(gap)
        if self.buffer:
            return self.buffer.popleft()
        self.readable.release()  # for whoever asks once more
        raise StopAsyncIteration

    async def aclose(self):
        self.leave(self)
        self.gap = 0
        self.buffer.clear()
        self.finish()

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, trace):
        await self.aclose()


def matches(pattern, topic):
    """Fewest parts first: each # takes as few parts as possible, and more when that fails."""
    p, t = pattern.split("."), topic.split(".")
    i = j = 0
    star = mark = -1
    while j < len(t):
        if i < len(p) and p[i] == "#":
            star, mark = i, j
            i += 1
        elif i < len(p) and (p[i] == "*" or p[i] == t[j]):
            i += 1
            j += 1
        elif star >= 0:
            mark += 1
            i, j = star + 1, mark
        else:
            return False
    return all(part == "#" for part in p[i:])


class EventBus:
    def __init__(self):
        self.by_pattern = {}
        self.open = True

    def subscribe(self, pattern, *, capacity=100):
        self._check()
        s = Subscription(pattern, capacity, self._leave)
        self.by_pattern.setdefault(pattern, []).append(s)
        return s

    def _check(self):
        if not self.open:
            raise BusClosed("no more")

    def _leave(self, s):
        mine = self.by_pattern.get(s.pattern, [])
        if s in mine:
            mine.remove(s)
            if not mine:
                del self.by_pattern[s.pattern]

    async def publish(self, topic, payload=None):
        self._check()
        event = Event(topic, payload)
        targets = list(
            itertools.chain.from_iterable(
                v for k, v in self.by_pattern.items() if matches(k, topic)
            )
        )
        for s in targets:
            s.push(event)
        return len(targets)

    async def aclose(self):
        self.open = False
        everybody = [s for v in self.by_pattern.values() for s in v]
        self.by_pattern = {}
        for s in everybody:
            s.finish()
