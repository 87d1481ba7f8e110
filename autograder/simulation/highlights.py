"""Which rows and which tasks of a world are worth a reader's time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from .interleaving import Gap, Row, shared_names

COLUMNS = 3  # more tasks than this side by side are not read

# What a row is worth by its kind. Lines are weighed by what they do, see `_line_worth`.
WORTH = {
    "raise": 800.0,
    "stuck": 500.0,
    "fault": 700.0,
    "drop": 700.0,
    "cancel": 700.0,
    "note": 600.0,
    "send": 300.0,
    "deliver": 300.0,
    "end": 40.0,
    "wait": 40.0,
    "spawn": 30.0,
}
IN_THE_GAP = 1_000.0
RECENT = 60.0  # what the last row of the story is worth more than the first
LOCKED = ("lock", "semaphore", "condition", "event", "queue", "barrier", "future")


def worth(story: Sequence[Row], gap: Gap | None) -> list[float]:
    """How much each row helps to see what went wrong."""
    shared = shared_names(story)
    inside = frozenset(gap.rows) if gap else frozenset()
    values = []
    for position, row in enumerate(story):
        value = WORTH.get(row.event.kind, 0.0)
        if row.event.kind == "line":
            value = _line_worth(story, position, shared)
        elif row.event.kind == "stuck" and not _is_held_up(row):
            value = WORTH["wait"]
        if position in inside:
            value = IN_THE_GAP
        values.append(value + RECENT * (position + 1) / len(story))
    return values


def _line_worth(story: Sequence[Row], position: int, shared: set[str]) -> float:
    row = story[position]
    if row.writes & shared:
        value = 200.0
    elif row.reads & shared:
        value = 150.0
    elif row.suspends:
        value = 100.0
    elif position and story[position - 1].block != row.block:
        value = 80.0  # the first line of a run
    else:
        value = 20.0
    if PurePath(row.event.file or "").name.startswith("test_"):
        value /= 2  # the learner looks for the mistake in what the learner wrote
    return value


def _is_held_up(row: Row) -> bool:
    """It waits for another task, not for time to pass."""
    return (row.event.key or row.event.text.partition(" ")[0]) in LOCKED


def lanes(story: Sequence[Row], values: Sequence[float], gap: Gap | None) -> list[str]:
    """The tasks that get a column, at most three, in the order in which they first appear."""
    appear = list(dict.fromkeys(row.lane for row in story if row.lane))
    if gap is not None:
        chosen = set(gap.lanes[:COLUMNS])
    else:
        best: Counter[str] = Counter()
        for row, value in zip(story, values, strict=True):
            if row.lane:
                best[row.lane] = max(best[row.lane], round(value))
        chosen = set(sorted(appear, key=lambda lane: -best[lane])[:COLUMNS])
    return [lane for lane in appear if lane in chosen]


def choose(story: Sequence[Row], values: Sequence[float], shown: set[str], room: int) -> list[int]:
    """Positions of the rows to show: the worthiest that fit in `room` lines.

    A stretch that is left out costs a line too, which says so. Rows of tasks without a column
    come along only if something happened to them that is not a plain line.
    """
    candidates = [p for p, row in enumerate(story) if row.lane in shown or _stands_alone(row)]
    order = {position: place for place, position in enumerate(candidates)}
    kept: list[int] = []
    lines = 1 if candidates else 0  # one stretch left out: everything
    for position in sorted(candidates, key=lambda p: (-values[p], -p)):
        change = _cost(kept, order[position], len(candidates))
        if lines + change <= room:
            insort(kept, order[position])
            lines += change
    return [candidates[place] for place in kept]


def _cost(kept: list[int], place: int, total: int) -> int:
    """How many lines more it takes to show `place`: a row, and stretches split or filled."""
    at = bisect_left(kept, place)
    before = kept[at - 1] if at else -1
    after = kept[at] if at < len(kept) else total
    return 1 + (place - before > 1) + (after - place > 1) - (after - before > 1)


def _stands_alone(row: Row) -> bool:
    return row.lane == "" or row.event.kind in ("raise", "cancel", "fault", "drop", "note")
