"""Keeps the window that is open now, and takes what comes later than its end for the sign to go on.

Streams of events are in order on one's own machine. An event for the window before the current one
falls through between the two conditions.

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


async def tumbling(events, size, *, lateness, on_late):
    open_windows, latest = {}, None
    async with aclosing(events):
        async for event in events:
            start = event.time // size * size
            if latest is None or event.time >= latest:
                latest = event.time
                open_windows.setdefault(start, []).append(event)
            elif start in open_windows:
                open_windows[start].append(event)
            elif start + size > latest - lateness:
                open_windows[start] = [event]
            for start in sorted(open_windows):
                if start + size <= latest - lateness:
                    yield make_window(start, size, open_windows.pop(start))
        for start in sorted(open_windows):
            yield make_window(start, size, open_windows[start])


async def sliding(events, size, step, *, lateness, on_late):
    waiting = {}
    latest = None
    async with aclosing(events):
        async for event in events:
            latest = event.time if latest is None else max(latest, event.time)
            first = event.time // step * step - size + step
            for start in range(first, event.time + 1, step):
                waiting.setdefault(start, []).append(event)
            for start in sorted(waiting):
                if start + size <= latest - lateness:
                    yield make_window(start, size, waiting.pop(start))
        for start in sorted(waiting):
            yield make_window(start, size, waiting[start])
