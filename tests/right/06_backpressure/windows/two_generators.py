"""tumbling() and sliding() on their own, each with its own `finally`; a heap in the one."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    time: int
    value: Any = None


@dataclass(frozen=True)
class Window:
    start: int
    end: int
    events: tuple[Event, ...]


@dataclass(order=True)
class Pane:
    start: int
    events: list[tuple[int, int, Event]] = field(default_factory=list, compare=False)

    def closed(self, size):
        return Window(self.start, self.start + size, tuple(e for *_, e in sorted(self.events)))


async def tumbling(events, size, *, lateness, on_late):
    panes, heap, count, watermark = {}, [], 0, float("-inf")
    try:
        async for event in events:
            count += 1
            watermark = max(watermark, event.time - lateness)
            start = event.time - event.time % size
            if start + size <= watermark:
                on_late(event)
                continue
            if start not in panes:
                panes[start] = Pane(start)
                heapq.heappush(heap, panes[start])
            panes[start].events.append((event.time, count, event))
            while heap and heap[0].start + size <= watermark:
                pane = heapq.heappop(heap)
                del panes[pane.start]
                yield pane.closed(size)
        while heap:
            yield heapq.heappop(heap).closed(size)
    finally:
        await events.aclose()


async def sliding(events, size, step, *, lateness, on_late):
    """Keeps the events once, and builds each window from them when it is complete."""
    kept, next_end, watermark = [], None, float("-inf")

    def complete(until):
        nonlocal next_end, kept
        ready = []
        while kept and next_end <= until:
            held = sorted((e for e in kept if next_end - size <= e.time < next_end),
                          key=lambda e: e.time)  # fmt: skip
            if held:
                ready.append(Window(next_end - size, next_end, tuple(held)))
            next_end += step
            kept = [e for e in kept if e.time >= next_end - size]
        return ready

    try:
        async for event in events:
            first_end = (event.time // step + 1) * step
            watermark = max(watermark, event.time - lateness)
            if first_end <= watermark:
                on_late(event)
            if next_end is None or not kept:
                # Ends that the watermark has reached are over, whatever comes.
                base = first_end
                while base <= watermark:
                    base += step
                next_end = base
            elif watermark < first_end < next_end:
                next_end = first_end
            if event.time >= next_end - size:
                kept.append(event)
            for window in complete(watermark):
                yield window
        for window in complete(float("inf")):
            yield window
    finally:
        await events.aclose()
