"""Takes an event that is equal to one before for that one, come twice.

mistake: none
fails: test_each_event_is_in_its_tumbling_window
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
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


def tumbling(
    events: AsyncGenerator[Event, None],
    size: int,
    *,
    lateness: int,
    on_late: Callable[[Event], None],
) -> AsyncGenerator[Window, None]:
    """Cut `events` into windows of `size` seconds, side by side."""
    # Returned, not looped over: a generator around the generator would have to close it.
    return sliding(events, size, size, lateness=lateness, on_late=on_late)


async def sliding(
    events: AsyncGenerator[Event, None],
    size: int,
    step: int,
    *,
    lateness: int,
    on_late: Callable[[Event], None],
) -> AsyncGenerator[Window, None]:
    """Cut `events` into windows of `size` seconds, one every `step` seconds."""
    waiting: defaultdict[int, list[Event]] = defaultdict(list)  # by start of the window
    latest: int | None = None

    def window(start: int) -> Window:
        # sort() is stable: of equal times, the one that came first stays first.
        by_time = sorted(waiting.pop(start), key=lambda event: event.time)
        return Window(start, start + size, tuple(by_time))

    async with aclosing(events):  # also if we are closed at a yield, or cancelled at the next event
        async for event in events:
            latest = event.time if latest is None else max(latest, event.time)
            watermark = latest - lateness
            last = event.time // step * step
            starts = range(last - size + step, last + step, step)
            for start in starts:
                if start + size > watermark and event not in waiting[start]:
                    waiting[start].append(event)
            if starts[0] + size <= watermark:
                on_late(event)
            for start in sorted(start for start in waiting if start + size <= watermark):
                yield window(start)
        for start in sorted(waiting):
            yield window(start)
