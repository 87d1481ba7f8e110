"""The events of a world as rows of a story, and the place in it where two tasks got between
each other: one decided, waited, and acted, and meanwhile another changed what it had looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from .events import Event
from .sharing import touches


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
class _Lane:
    """Where one task is while its events are read."""

    last: Row | None = None  # its last line
    waiting: Event | None = None
    late: frozenset[str] = frozenset()  # written as soon as the await is over


def rows(events: Iterable[Event]) -> list[Row]:
    """The story row by row. A wait is told with the line it happens on; 'clock' says nothing."""
    found: list[Row] = []
    lanes: dict[str, _Lane] = {}
    block, key = 0, ("", -1)
    for event in events:
        lane = lanes.setdefault(event.lane, _Lane())
        if event.kind in ("line", "wait", "end", "raise") and (event.lane, event.step) != key:
            block, key = block + 1, (event.lane, event.step)
        if event.kind in ("line", "wait", "end", "raise") and lane.waiting is not None:
            _resume(found, lane, event, block)
        if event.kind == "line":
            lane.last = _line(lane, event, block)
            found.append(lane.last)
        elif event.kind == "wait":
            lane.waiting = event
            if lane.last is not None and lane.last.block == block:
                lane.last.suspends, lane.last.waits_for = True, event.text
            elif lane.last is None or event.text:
                found.append(Row(event, block, suspends=True, waits_for=event.text))
        elif event.kind != "clock":
            found.append(Row(event, block))
    found.extend(_stuck(lanes.values(), found, block))
    return found


def _stuck(lanes: Iterable[_Lane], found: Sequence[Row], block: int) -> Iterator[Row]:
    """A last row for each task that still waits when all is over."""
    waiting = [lane.waiting for lane in lanes if lane.waiting is not None]
    for number, event in enumerate(waiting, block + 1):
        last = replace(event, kind="stuck", time=found[-1].event.time)
        yield Row(last, number, waits_for=event.text)


def _line(lane: _Lane, event: Event, block: int) -> Row:
    touch = touches(event.file, event.line)
    writes = touch.writes | (touch.late if lane.late else set())
    lane.late = frozenset(touch.late) if not lane.late else frozenset()
    return Row(event, block, frozenset(touch.reads), frozenset(writes))


def _resume(found: list[Row], lane: _Lane, event: Event, block: int) -> None:
    """`stock -= await f()` writes after the await, but is one line: give that half its own row."""
    lane.waiting = None
    last, late = lane.last, lane.late
    if last is None or not late:
        return
    same = event.kind == "line" and touches(event.file, event.line).late == late
    if not same:  # else the line of the assignment is run anyway: a statement of several lines
        lane.late = frozenset()
        told = last.event
        line = Event(event.time, event.step, told.lane, "line", told.text, told.file, told.line)
        found.append(Row(line, block, writes=late, resumed=True))


@dataclass(slots=True)
class Gap:
    """One task looked at `name`, waited and acted, and another changed it in between.

    `rows` are positions in the list of rows, in order; `lanes` begins with the one who acted on
    what it had seen.
    """

    name: str
    rows: tuple[int, ...]
    lanes: tuple[str, ...]

    @property
    def span(self) -> int:
        return self.rows[-1] - self.rows[0]


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


def clearest_gap(story: Sequence[Row]) -> Gap | None:
    """The clearest case of a task acting on what it saw before another changed it, if any.

    The one with the fewest rows inside, and of equals the latest.
    """
    gaps = [gap for name in sorted(shared_names(story)) for gap in _gaps(story, name)]
    if not gaps:
        return None
    return max(gaps, key=lambda gap: (-gap.span, gap.rows[0], gap.name))


def _gaps(story: Sequence[Row], name: str) -> Iterator[Gap]:
    visits = _visits(story, name)
    latest: dict[str, int] = {}
    for end, after in enumerate(visits):
        start = latest.get(after.lane)
        latest[after.lane] = end
        if start is None or not (visits[start].decides and after.acts_blindly):
            continue
        others = visits[start + 1 : end]
        if any(visit.writes for visit in others):
            yield _gap(story, name, visits[start], after, others)


def _gap(
    story: Sequence[Row], name: str, before: _Visit, after: _Visit, others: list[_Visit]
) -> Gap:
    shown = {before.reads[-1], after.writes[0]}
    shown.update(position for visit in others for position in visit.reads + visit.writes)
    blocks = {before.block, *(visit.block for visit in others)}
    for position in range(min(shown), max(shown)):
        if story[position].suspends and story[position].block in blocks:
            shown.add(position)  # the await: where the others were let in
    lanes = (before.lane, *(visit.lane for visit in others if visit.writes))
    return Gap(name, tuple(sorted(shown)), tuple(dict.fromkeys(lanes)))


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
