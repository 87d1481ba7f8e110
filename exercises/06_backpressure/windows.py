"""Cut a stream of events into windows of time.

Tills send their sales as they happen, for ever. The office wants the sales of each minute (tumbling
windows: each event is in one), and those of the last hour, every ten minutes (sliding windows: each
event is in several). What counts is when a sale happened, which it says itself; some come late.

Write `tumbling` and `sliding`. Each is an async generator, or returns one. `Event` and `Window` are
given; leave them as they are.

Rules
  1. A window begins at a multiple of `step` (of `size` for tumbling ones) and lasts for `size`
     seconds. It may begin before 0: an event at 7 is in the windows of -40, -20 and 0 if `size` is
     60 and `step` 20. A window holds the events with start <= time < end, in the order of their
     times, and of their coming if those are equal. A window without events is never given.
  2. The watermark is the latest time of all events so far, less `lateness`. A window is complete as
     soon as the watermark has reached its end. It is given as soon as it is complete: before the
     next event is asked for. Of several complete ones the earliest comes first.
  3. An event that comes when a window it belongs to has been complete is late. It is passed to
     `on_late`, once, before the next event is asked for. It is also put into those of its windows
     that are not complete.
  4. When the stream ends, the windows that are not complete are given, the earliest first. If the
     stream raises, the exception goes on, and they are not.
  5. Whatever ends it, the end of the stream, an exception, a cancellation, or `aclose()` by
     somebody who does not want any more: `events` is closed (`aclose()`), and its clean-up is over.
  6. What has been given is forgotten: memory is needed for windows that are not complete only.

Out of scope: events before 0, `size` that is no multiple of `step`, an `on_late` that raises, a
second cancellation during the clean-up, and generators that were never asked for anything.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
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
    raise NotImplementedError


def sliding(
    events: AsyncGenerator[Event, None],
    size: int,
    step: int,
    *,
    lateness: int,
    on_late: Callable[[Event], None],
) -> AsyncGenerator[Window, None]:
    """Cut `events` into windows of `size` seconds, one every `step` seconds."""
    raise NotImplementedError
