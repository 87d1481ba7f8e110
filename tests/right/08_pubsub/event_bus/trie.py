"""An index of patterns, as a tree of their parts; waiters are futures."""

import asyncio
from collections import deque
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


class Node:
    __slots__ = ("children", "here")

    def __init__(self):
        self.children: dict[str, Node] = {}
        self.here: dict[int, Subscription] = {}

    def empty(self):
        return not self.children and not self.here


def find(node, parts, at, out, seen):
    if (id(node), at) in seen:
        return
    seen.add((id(node), at))
    if at == len(parts):
        out.update(node.here)
    elif parts[at] in node.children:
        find(node.children[parts[at]], parts, at + 1, out, seen)
    if at < len(parts) and "*" in node.children:
        find(node.children["*"], parts, at + 1, out, seen)
    if "#" in node.children:
        for skip in range(at, len(parts) + 1):
            find(node.children["#"], parts, skip, out, seen)


class Subscription:
    def __init__(self, bus, pattern, capacity, number):
        self._bus, self._parts, self._capacity, self.number = (
            bus,
            pattern.split("."),
            capacity,
            number,
        )
        self._items = deque()
        self._missed = 0
        self._closed = False
        self._waiters = deque()

    def _wake(self):
        while self._waiters:
            w = self._waiters.popleft()
            if not w.done():
                w.set_result(None)

    def _offer(self, event):
        if len(self._items) >= self._capacity:
            self._items.popleft()
            self._missed += 1
        self._items.append(event)
        self._wake()

    def _finish(self):
        self._closed = True
        self._wake()

    def __aiter__(self):
        return self

    def __anext__(self):
        return self._next()

    async def _next(self):
        while True:
            if self._missed:
                m = Missed(self._missed)
                self._missed = 0
                return m
            if self._items:
                return self._items.popleft()
            if self._closed:
                raise StopAsyncIteration
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    async def aclose(self):
        self._bus._remove(self)
        self._items.clear()
        self._missed = 0
        self._finish()

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, trace):
        await self.aclose()
        return False


class EventBus:
    def __init__(self):
        self._root = Node()
        self._count = 0
        self._open = True

    def subscribe(self, pattern, *, capacity=100):
        if not self._open:
            raise BusClosed
        self._count += 1
        s = Subscription(self, pattern, capacity, self._count)
        node = self._root
        for part in s._parts:
            node = node.children.setdefault(part, Node())
        node.here[s.number] = s
        return s

    def _remove(self, s):
        path = [self._root]
        for part in s._parts:
            node = path[-1].children.get(part)
            if node is None:
                return
            path.append(node)
        path[-1].here.pop(s.number, None)
        for parent, part, node in reversed(list(zip(path, s._parts, path[1:], strict=False))):
            if node.empty():
                parent.children.pop(part, None)

    async def publish(self, topic, payload=None):
        if not self._open:
            raise BusClosed(topic)
        out = {}
        find(self._root, topic.split("."), 0, out, set())
        event = Event(topic=topic, payload=payload)
        for number in sorted(out):
            out[number]._offer(event)
        return len(out)

    async def aclose(self):
        if not self._open:
            return
        self._open = False
        everybody = {}

        def walk(node):
            everybody.update(node.here)
            for child in node.children.values():
                walk(child)

        walk(self._root)
        self._root = Node()
        for s in everybody.values():
            s._finish()
