"""An event whose window has been given is skipped: it is too late to do anything about it.

The sums were right in every test, where nothing is ever late. Now they are a little too small,
every day, and nobody knows.

mistake: late-event-lost
fails: test_late_events_are_not_lost, test_late_for_one_window_in_time_for_another,
    test_a_late_event_is_told_at_once
"""

from contextlib import aclosing
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    time: int
    value: Any = None


@dataclass(frozen=True)
class Window:
    start: int
    end: int
    events: tuple


def make_window(start, size, events):
    return Window(start, start + size, tuple(sorted(events, key=lambda event: event.time)))


async def sliding(events, size, step, *, lateness, on_late):
    waiting = {}
    latest = None
    async with aclosing(events):
        async for event in events:
            latest = event.time if latest is None else max(latest, event.time)
            first = event.time // step * step - size + step
            for start in range(first, event.time + 1, step):
                if start + size > latest - lateness:
                    waiting.setdefault(start, []).append(event)
            for start in sorted(waiting):
                if start + size <= latest - lateness:
                    yield make_window(start, size, waiting.pop(start))
        for start in sorted(waiting):
            yield make_window(start, size, waiting[start])


def tumbling(events, size, *, lateness, on_late):
    return sliding(events, size, size, lateness=lateness, on_late=on_late)
