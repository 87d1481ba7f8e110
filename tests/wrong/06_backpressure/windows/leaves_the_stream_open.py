"""Reads the stream in a plain `async for`, as in every example.

`async for` does not close what it reads from. If somebody stops early, the stream stands still at
its `yield`, with the connection in its hands, until the garbage collector finds it.

mistake: generator-not-closed
fails: test_closed_early_it_closes_the_stream, test_cancelled_anywhere_it_closes_the_stream
"""

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
    async for event in events:
        latest = event.time if latest is None else max(latest, event.time)
        first = event.time // step * step - size + step
        late = False
        for start in range(first, event.time + 1, step):
            if start + size <= latest - lateness:
                late = True
            else:
                waiting.setdefault(start, []).append(event)
        if late:
            on_late(event)
        for start in sorted(waiting):
            if start + size <= latest - lateness:
                yield make_window(start, size, waiting.pop(start))
    for start in sorted(waiting):
        yield make_window(start, size, waiting[start])


def tumbling(events, size, *, lateness, on_late):
    return sliding(events, size, size, lateness=lateness, on_late=on_late)
