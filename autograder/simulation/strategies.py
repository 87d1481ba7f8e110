"""The advisory tier: orders that asyncio itself never takes.

A shuffled ready queue shows what a program silently owes to asyncio's first-in-first-out order. It
accuses programs that are correct on asyncio, so a test opts into it and its findings say so. No
strategy finds everything, hence a portfolio: a random walk, bursts, and PCT (Burckhardt and others,
ASPLOS 2010), whose few priority changes reach what a random walk reaches once in 2**n.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .world import World

_LOOP = 0
_TYPICAL_STEPS = 60


class Strategy:
    """Lanes of ready callbacks, one a task and one for the rest, each first-in-first-out."""

    def __init__(self, seed: int, kept: frozenset[int] | None = None) -> None:
        self._lanes: dict[int, deque[asyncio.Handle]] = {}
        self._order: list[int] = []
        self._kept = kept
        self._picks = 0
        self.used: set[int] = set()
        self.random = random.Random(seed)
        self.waiting = 0

    def take_in(self, ready: deque[asyncio.Handle]) -> None:
        """Sort what became ready into lanes."""
        while ready:
            handle = ready.popleft()
            if handle._cancelled:
                continue
            task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
            lane = getattr(task, "number", _LOOP) if isinstance(task, asyncio.Task) else _LOOP
            queue = self._lanes.get(lane)
            if queue is None:
                queue = self._lanes[lane] = deque()
            if not queue:
                self._order.append(lane)
            queue.append(handle)
            self.waiting += 1

    def pick(self, world: World) -> asyncio.Handle | None:
        """Take the next callback, from the lane this strategy likes."""
        order = self._order
        if not order:
            return None
        index = 0
        if len(order) > 1:
            self._picks += 1
            index = self.choose(order)
            bucket = (self._picks * 151) & 0xFF
            if index and self._kept is not None and bucket not in self._kept:
                index = 0
            elif index:
                self.used.add(bucket)
        lane = order.pop(index)
        queue = self._lanes[lane]
        handle = queue.popleft()
        self.waiting -= 1
        if queue:
            order.append(lane)
        if index:
            world.record("note", "the shuffled queue lets another task run first", lane="")
        return handle

    def choose(self, lanes: list[int]) -> int:
        """The index of the lane to run."""
        return int(self.random.random() * len(lanes))


class Bursts(Strategy):
    """A random walk that likes to stay with the same task."""

    def __init__(self, seed: int, kept: frozenset[int] | None = None) -> None:
        super().__init__(seed, kept)
        self._stay = self.random.choice((0.5, 0.75, 0.9))
        self._last = -1

    def choose(self, lanes: list[int]) -> int:
        if self._last in lanes and self.random.random() < self._stay:
            return lanes.index(self._last)
        index = super().choose(lanes)
        self._last = lanes[index]
        return index


class Priorities(Strategy):
    """PCT: random priorities, lowered at ``depth - 1`` random points."""

    def __init__(self, seed: int, kept: frozenset[int] | None = None, depth: int = 1) -> None:
        super().__init__(seed, kept)
        self._priority: dict[int, float] = {}
        self._points = {self.random.randrange(_TYPICAL_STEPS) for _ in range(depth - 1)}
        self._step = 0
        self._lowest = 0.0

    def choose(self, lanes: list[int]) -> int:
        for lane in lanes:
            if lane not in self._priority:
                self._priority[lane] = 1.0 + self.random.random()
        best = max(range(len(lanes)), key=lambda index: self._priority[lanes[index]])
        if self._step in self._points:
            self._lowest -= 1.0
            self._priority[lanes[best]] = self._lowest
        self._step += 1
        return best


def portfolio(seed: int, kept: frozenset[int] | None = None) -> Strategy:
    """The strategy for a seed: all kinds take their turns."""
    kind = seed % 4
    if kind == 0:
        return Priorities(seed, kept, depth=2 + (seed // 4) % 2)
    if kind == 2:
        return Priorities(seed, kept)
    return Bursts(seed, kept) if kind == 1 else Strategy(seed, kept)
