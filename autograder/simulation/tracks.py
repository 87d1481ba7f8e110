"""The events of a world as a chart: for each task when it ran, when it waited, and for what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .events import Event

HELD = ("lock", "semaphore", "condition", "event", "queue", "item", "room", "barrier", "future")
JOINED = ("task", "tasks", "wait", "group")
OWN = ("line", "wait", "end", "raise")
MARKED = ("fault", "drop", "note")


@dataclass(slots=True)
class Bar:
    """A stretch of one task. `sort`: "run" (it holds the loop), "time" (sleep, a network), "held"
    (another task must let it go on) or "join" (it waits for tasks to finish)."""

    start: float
    end: float
    sort: str
    label: str = ""


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
    last = max((event.time for event in events), default=0.0)
    timed = last > 0
    ranks = {step: float(rank) for rank, step in enumerate(dict.fromkeys(e.step for e in events))}

    def at(event: Event) -> float:
        return event.time if timed else ranks[event.step]

    result = Chart(last if timed else float(max(len(ranks) - 1, 1)), timed)
    waits: dict[str, Event] = {}
    for event in events:
        if event.kind in OWN and event.lane:
            _ran(result.track(event.lane), event, waits, at)
        else:
            _happened(result, event, at)
    for name, event in waits.items():
        track = result.tracks[name]
        track.bars.append(_waited(track, event, at(event), result.end))
    _add_messages(result, events, at)
    return result


def _ran(track: Track, event: Event, waits: dict[str, Event], at: Callable[[Event], float]) -> None:
    now = at(event)
    if track.begin is None:
        track.begin = now
    waited = waits.pop(track.name, None)
    if waited is not None and now > at(waited):
        track.bars.append(_waited(track, waited, at(waited), now))
    running = track.bars[-1] if track.bars and track.bars[-1].sort == "run" else None
    if waited is None and track.steps and now > track.steps[-1]:
        if running is not None and running.end == track.steps[-1]:
            running.end = now
        else:  # time went by although it did not wait: it blocked
            track.bars.append(Bar(track.steps[-1], now, "run"))
    if not track.steps or track.steps[-1] != now:
        track.steps.append(now)
    if event.kind == "line":
        track.line = event.text
    elif event.kind == "wait":
        waits[track.name] = event
    elif event.kind == "raise":
        track.crosses.append((now, event.text))
    if event.kind in ("end", "raise"):
        track.end = now


def _waited(track: Track, event: Event, start: float, end: float) -> Bar:
    words = [event.key, *event.text.split(maxsplit=3)]
    held = any(word in HELD for word in words)
    joined = event.key in JOINED or any(word in JOINED for word in words[1:2])
    if held or joined:
        return Bar(start, end, "held" if held else "join", event.text)
    awaited = track.line.partition("await ")[2]  # says more than the sleep inside it
    said = awaited if awaited and "sleep(" not in awaited else event.text
    return Bar(start, end, "time", said)


def _happened(result: Chart, event: Event, at: Callable[[Event], float]) -> None:
    now = at(event)
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


def _add_messages(result: Chart, events: Sequence[Event], at: Callable[[Event], float]) -> None:
    """Pair what was sent with what arrived; a message is received by whoever runs next at once."""
    sent = {event.key: event for event in events if event.kind == "send" and event.key}
    for position, event in enumerate(events):
        origin = sent.get(event.key) if event.kind == "deliver" else None
        if origin is None:
            continue
        target = event.lane or _receiver(events, position)
        arrow = Arrow(at(origin), origin.lane or None, at(event), target, "message", origin.text)
        result.arrows.append(arrow)


def _receiver(events: Sequence[Event], position: int) -> str | None:
    """The task that wakes up because of a delivery: the next to run at the same moment."""
    time = events[position].time
    for event in events[position + 1 :]:
        if event.time > time:
            break
        if event.kind in OWN and event.lane:
            return event.lane
    return None
