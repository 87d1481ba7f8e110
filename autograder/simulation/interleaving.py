"""The events of a world as rows of a story, and the place in it where two tasks got between
each other: one decided, waited, and acted, and meanwhile another changed what it had looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from .events import Event
from .sharing import function_at, touches


@dataclass(slots=True)
class Row:
    """One thing to show. `block` numbers the uninterrupted runs: nobody else ran inside one."""

    event: Event
    block: int
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    resumed: bool = False  # the second half of a line, after its await
    suspends: bool = False  # the task waits after this line
    waits_for: str = ""

    @property
    def lane(self) -> str:
        return self.event.lane


@dataclass(slots=True)
class _Call:
    """A function that a task is in: `pending` is a line of it that will write after its await."""

    function: tuple[str, int]
    pending: Row | None = None
    late: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Lane:
    """Where one task is while its events are read."""

    last: Row | None = None  # its last line
    waiting: Event | None = None
    calls: list[_Call] = field(default_factory=list)


OWN = ("line", "wait", "end", "raise")  # what a task does itself; the rest is done to it


def rows(events: Iterable[Event]) -> list[Row]:
    """The story row by row. A wait is told with the line it happens on; 'clock' says nothing."""
    found: list[Row] = []
    lanes: dict[str, _Lane] = {}
    block, key = 0, ("", -1)
    for event in events:
        lane = lanes.setdefault(event.lane, _Lane())
        if event.kind in OWN:
            if (event.lane, event.step) != key:
                block, key = block + 1, (event.lane, event.step)
            lane.waiting = event if event.kind == "wait" else None
        if event.kind == "line":
            _line(found, lane, event, block)
        elif event.kind == "wait" and lane.last is not None and lane.last.block == block:
            lane.last.suspends, lane.last.waits_for = True, event.text
        elif event.kind == "wait":
            if lane.last is None:
                found.append(Row(event, block, suspends=True, waits_for=event.text))
        elif event.kind != "clock":
            if event.kind in ("end", "raise"):
                _leave(found, lane, event, block, to=0)
            found.append(Row(event, block))
    found.extend(_stuck(lanes.values(), found, block))
    return found


def _line(found: list[Row], lane: _Lane, event: Event, block: int) -> None:
    """Add a row for a line. Calls are not recorded: a line of another function began one, a line
    of a function further out ended some."""
    touch = touches(event.file, event.line)
    function = function_at(event.file, event.line)
    known = [call.function for call in lane.calls]
    if function in known:
        _leave(found, lane, event, block, to=known.index(function) + 1)
    else:
        lane.calls.append(_Call(function))
    call, writes = lane.calls[-1], touch.writes
    if call.pending is not None and call.late == touch.late:  # one statement, several lines
        writes, call.pending = writes | touch.late, None
    else:
        _write_late(found, call, event, block)
    lane.last = Row(event, block, frozenset(touch.reads), frozenset(writes))
    if touch.late and not writes:
        call.pending, call.late = lane.last, frozenset(touch.late)
    found.append(lane.last)


def _leave(found: list[Row], lane: _Lane, event: Event, block: int, *, to: int) -> None:
    """The innermost calls are over, down to a depth of `to`."""
    while len(lane.calls) > to:
        call = lane.calls.pop()
        if event.kind != "raise":
            _write_late(found, call, event, block)


def _write_late(found: list[Row], call: _Call, event: Event, block: int) -> None:
    """`stock -= await f()` writes after the await, but is one line: give that half its own row."""
    first, call.pending = call.pending, None
    if first is None or event.text.startswith(("except", "finally")):
        return
    if first.block == block:  # nothing was waited for after all
        first.writes |= call.late
        return
    told = first.event
    line = Event(event.time, event.step, told.lane, "line", told.text, told.file, told.line)
    found.append(Row(line, block, writes=call.late, resumed=True))


def _stuck(lanes: Iterable[_Lane], found: Sequence[Row], block: int) -> Iterator[Row]:
    """A last row for each task that still waits when all is over."""
    waiting = [lane.waiting for lane in lanes if lane.waiting is not None]
    for number, event in enumerate(waiting, block + 1):
        last = replace(event, kind="stuck", time=found[-1].event.time)
        yield Row(last, number, waits_for=event.text)


@dataclass(slots=True)
class Gap:
    """One task looked at `name`, waited and acted, and another changed it in between.

    `rows` are positions in the list of rows, in order; `core` are those without which it could
    not be told. `lanes` begins with the one who acted on what it had seen.
    """

    name: str
    rows: tuple[int, ...]
    core: frozenset[int]
    lanes: tuple[str, ...]


@dataclass(slots=True)
class _Visit:
    """What one block of a lane does with one name: positions of rows."""

    lane: str
    block: int
    reads: list[int] = field(default_factory=list)  # looks only
    writes: list[int] = field(default_factory=list)

    @property
    def decides(self) -> bool:
        """It looked last: what it goes on with is what it saw."""
        return bool(self.reads) and (not self.writes or self.writes[-1] < self.reads[-1])

    @property
    def acts_blindly(self) -> bool:
        """It wrote without having looked again."""
        return bool(self.writes) and (not self.reads or self.writes[0] < self.reads[0])


def shared_names(story: Sequence[Row]) -> set[str]:
    """Names that one task writes and another reads or writes."""
    seen: dict[str, set[str]] = {}
    written: set[str] = set()
    for row in story:
        written |= row.writes
        for name in row.reads | row.writes:
            seen.setdefault(name, set()).add(row.lane)
    return {name for name in written if len(seen[name]) > 1}


_Overtaken = tuple[int, int, tuple[str, ...]]
"""Positions of two visits of a task, that decides and then acts, and who wrote in between."""


def clearest_gap(story: Sequence[Row]) -> Gap | None:
    """The clearest case of a task acting on what it saw before another changed it, if any.

    The fewer tasks and rows it takes to tell the better; of equals the first.
    """
    best: tuple[tuple[int, int, int], str, list[_Visit], _Overtaken] | None = None
    for name in sorted(shared_names(story)):
        visits = _visits(story, name)
        for start, end, writers in _overtaken(visits):
            first, last = visits[start].reads[-1], visits[end].writes[0]
            cost = (len(writers), last - first, first)
            if best is None or cost < best[0]:
                best = cost, name, visits, (start, end, writers)
    return None if best is None else _gap(story, best[1], best[2], *best[3])


def _overtaken(visits: Sequence[_Visit]) -> Iterator[_Overtaken]:
    latest: dict[str, int] = {}
    for end, after in enumerate(visits):
        start = latest.get(after.lane)
        latest[after.lane] = end
        if start is None or not (visits[start].decides and after.acts_blindly):
            continue
        writers = dict.fromkeys(visit.lane for visit in visits[start + 1 : end] if visit.writes)
        if writers:
            yield start, end, tuple(writers)


def _gap(
    story: Sequence[Row],
    name: str,
    visits: Sequence[_Visit],
    start: int,
    end: int,
    writers: tuple[str, ...],
) -> Gap:
    before, after = visits[start], visits[end]
    overwritten = [visit.writes[-1] for visit in visits[start + 1 : end] if visit.writes]
    core = frozenset((before.reads[-1], overwritten[-1], after.writes[0]))
    shown, blocks = {*core, *before.reads}, {before.block}
    for visit in [*_last_looks(visits[:start], writers), *visits[start + 1 : end]]:
        if visit.lane in writers:
            touched = visit.reads + visit.writes
            shown.update(place for place in touched if place <= overwritten[-1])
            blocks.add(visit.block)
    for position in range(min(shown), max(shown)):
        if story[position].suspends and story[position].block in blocks:
            shown.add(position)  # the await: where the others were let in
    shown.update(_first_half(story, position) for position in core if story[position].resumed)
    return Gap(name, tuple(sorted(shown)), core, (before.lane, *writers))


def _first_half(story: Sequence[Row], position: int) -> int:
    """Where the line that goes on at `position` began."""
    told = story[position].event
    for earlier in range(position - 1, -1, -1):
        event = story[earlier].event
        if (event.lane, event.file, event.line) == (told.lane, told.file, told.line):
            return earlier
    return position


def _last_looks(visits: Sequence[_Visit], lanes: tuple[str, ...]) -> Iterator[_Visit]:
    """What the writers had seen: the last visit of each, if it is a look."""
    last = {visit.lane: visit for visit in visits}
    return (last[lane] for lane in lanes if lane in last and last[lane].decides)


def _visits(story: Sequence[Row], name: str) -> list[_Visit]:
    visits: list[_Visit] = []
    latest: dict[str, _Visit] = {}
    for position, row in enumerate(story):
        if name not in row.reads and name not in row.writes:
            continue
        visit = latest.get(row.lane)
        if visit is None or visit.block != row.block:
            visit = latest[row.lane] = _Visit(row.lane, row.block)
            visits.append(visit)
        (visit.writes if name in row.writes else visit.reads).append(position)
    return visits
