"""Every event is put into its place in its windows when it comes."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """Something that happened at `time` (whole seconds)."""

    time: int
    value: Any = None


@dataclass(frozen=True)
class Window:
    """The events with start <= time < end."""

    start: int
    end: int
    events: tuple[Event, ...]


def tumbling(events, size, *, lateness, on_late):
    return sliding(events, size, size, lateness=lateness, on_late=on_late)


async def sliding(events, size, step, *, lateness, on_late):
    open_ = {}
    watermark = float("-inf")
    try:
        async for event in events:
            first = (event.time - size) // step * step + step
            starts = range(first, event.time + 1, step)
            if first + size <= watermark:
                on_late(event)
            for start in starts:
                if start + size > watermark:
                    bisect.insort_right(open_.setdefault(start, []), event, key=lambda e: e.time)
            watermark = max(watermark, event.time - lateness)
            while open_ and (start := min(open_)) + size <= watermark:
                yield Window(start, start + size, tuple(open_.pop(start)))
        while open_:
            start = min(open_)
            yield Window(start, start + size, tuple(open_.pop(start)))
    finally:
        await events.aclose()
