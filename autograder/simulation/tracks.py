"""The events of a world as a chart: for each task when it ran, when it waited, and for what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from .events import Event

OWN = ("line", "wait", "end", "raise")
MARKED = ("fault", "drop", "note")
LONGER = 1.15  # a chart with waits that never end goes on, so that they can be seen


@dataclass(slots=True)
class Bar:
    """A stretch of one task. `sort`: "run" (it holds the loop), "time" (sleep, a network), "held"
    (another task must let it go on) or "join" (it waits for tasks to finish). `open`: it still
    waits when all is over."""

    start: float
    end: float
    sort: str
    label: str = ""
    open: bool = False


@dataclass(slots=True)
class Track:
    """One task."""

    name: str
    bars: list[Bar] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)  # where it ran
    crosses: list[tuple[float, str]] = field(default_factory=list)  # exceptions that ended it
    begin: float | None = None
    end: float | None = None  # None: never ended
    line: str = ""  # the source it ran last
    step: int = -1  # the step it ran in last


@dataclass(slots=True)
class Arrow:
    """From one task to another: "spawn", "cancel" or "message". An end in no task has None."""

    start: float
    source: str | None
    end: float
    target: str | None
    sort: str
    label: str = ""


@dataclass(slots=True)
class Mark:
    """Something at one moment, of one task or (None) of the world."""

    at: float
    lane: str | None
    sort: str
    label: str


@dataclass(slots=True)
class Chart:
    """All there is to draw. Positions are virtual seconds, or steps if no time passed at all."""

    end: float
    timed: bool
    tracks: dict[str, Track] = field(default_factory=dict)
    arrows: list[Arrow] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def track(self, name: str) -> Track:
        return self.tracks.setdefault(name, Track(name))


def chart(events: Sequence[Event]) -> Chart:
    """Read the events, in time order, into a chart."""
    timed = any(event.time > 0 for event in events)
    places = [event.time for event in events] if timed else _ranks(events)
    result = Chart(max(places, default=0.0) or 1.0, timed)
    waits: dict[str, tuple[float, Event]] = {}
    for event, now in zip(events, places, strict=True):
        if event.kind in OWN and event.lane:
            _ran(result.track(event.lane), event, now, waits)
        else:
            _happened(result, event, now)
    if waits:
        result.end *= LONGER
    for name, (start, event) in waits.items():
        bar = _waited(result.tracks[name], event, start, result.end)
        bar.open = True
        result.tracks[name].bars.append(bar)
    for bar in (bar for track in result.tracks.values() for bar in track.bars):
        if bar.sort == "held" and bar.label.startswith(tuple(result.tracks)):
            bar.sort = "join"  # what it waits for are tasks
    result.arrows.extend(_messages(events, places))
    return result


def _ranks(events: Sequence[Event]) -> list[float]:
    """Places for a world in which no time passes: the uninterrupted runs, counted."""
    places: list[float] = []
    run: tuple[int, str] | None = None
    rank = -1.0
    for event in events:
        if event.kind in OWN and (event.step, event.lane) != run:
            run, rank = (event.step, event.lane), rank + 1
        places.append(max(rank, 0.0))
    return places


def _ran(track: Track, event: Event, now: float, waits: dict[str, tuple[float, Event]]) -> None:
    if track.begin is None:
        track.begin = now
    start, waited = waits.pop(track.name, (now, None))
    if waited is not None and now > start:
        track.bars.append(_waited(track, waited, start, now))
    elif track.step == event.step and now > track.steps[-1]:
        _block(track, now)  # time went by although it did not wait
    if not track.steps or track.steps[-1] != now:
        track.steps.append(now)
    track.step = event.step
    if event.kind == "line":
        track.line = event.text
    elif event.kind == "wait":
        waits[track.name] = now, event
    elif event.kind == "raise":
        track.crosses.append((now, event.text))
    if event.kind in ("end", "raise"):
        track.end = now


def _block(track: Track, now: float) -> None:
    before = track.bars[-1] if track.bars else None
    if before is not None and before.sort == "run" and before.end == track.steps[-1]:
        before.end = now
    else:
        track.bars.append(Bar(track.steps[-1], now, "run"))


def _waited(track: Track, event: Event, start: float, end: float) -> Bar:
    label = event.text
    if label.startswith("a future"):  # `async for message in inbox:` waits for the inbox
        source = track.line.partition("async for ")[2].partition(" in ")[2]
        label = source.rstrip(": ") or label
    sort = "join" if event.key in ("wait", "group") else "time" if event.timed else "held"
    return Bar(start, end, sort, label)


def _happened(result: Chart, event: Event, now: float) -> None:
    if event.kind == "spawn":
        child = result.track(event.text)
        if child.begin is None:
            child.begin = now
        result.arrows.append(Arrow(now, event.lane or None, now, event.text, "spawn"))
    elif event.kind == "cancel":
        result.track(event.lane)
        result.arrows.append(Arrow(now, event.text or None, now, event.lane, "cancel"))
    elif event.kind in MARKED:
        result.marks.append(Mark(now, event.lane or None, event.kind, event.text))


def _messages(events: Sequence[Event], places: Sequence[float]) -> Iterator[Arrow]:
    """Pair what was sent with what arrived."""
    sent: dict[str, tuple[float, Event]] = {}
    for position, (event, now) in enumerate(zip(events, places, strict=True)):
        if event.kind == "send" and event.key:
            sent[event.key] = now, event
        elif event.kind == "deliver" and event.key in sent:
            start, origin = sent[event.key]
            target = event.lane or _receiver(events, position)
            yield Arrow(start, origin.lane or None, now, target, "message", origin.text)


def _receiver(events: Sequence[Event], position: int) -> str | None:
    """Whom a delivery woke: the next task to run at the same moment."""
    time = events[position].time
    for event in islice(events, position + 1, None):
        if event.time > time:
            break
        if event.kind in OWN and event.lane:
            return event.lane
    return None
