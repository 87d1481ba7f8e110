"""Which rows and which tasks of a world are worth a reader's time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from functools import lru_cache
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
BESIDE_A_GAP = 100.0  # where a gap tells the story, what is worth less only distracts
NEAR_TROUBLE = (200.0, 150.0, 100.0)  # for the rows of a task next to what befell it
A_LEAP = 6  # so many rows left out are worth a line that says so; fewer are not missed
RECENT = 1.0  # what the last row of the story is worth more than the first
TROUBLE = ("raise", "stuck", "fault", "drop", "cancel")
SPECIAL = ("raise", "cancel", "fault", "drop", "note")  # told even of tasks without a column
EMPTY = ("def ", "async def ", "class ", "@", "try:", "else:", "finally:", "import ", "from ")


def worth(story: Sequence[Row], gap: Gap | None) -> list[float]:
    """How much each row helps to see what went wrong; 0 for what says nothing."""
    values = [_worth(row) for row in story]
    shared = shared_names(story)
    for position, row in enumerate(story):
        if row.event.kind == "line":
            values[position] = _line_worth(story, position, shared)
    _discount_repeats(story, values)
    _stress_trouble(story, values)
    if gap is not None:
        for position, row in enumerate(story):
            values[position] *= 0.5 if row.event.kind == "line" else 1.0
        for position in gap.rows:
            values[position] = IN_THE_GAP * (2 if position in gap.core else 1)
    return values


def _worth(row: Row) -> float:
    event = row.event
    if event.kind == "stuck" and event.timed:
        return WORTH["wait"]
    if event.kind in ("send", "deliver") and not event.key:
        return WORTH["spawn"]  # a call and its answer: the line that calls says it too
    return WORTH.get(event.kind, 0.0)


def _line_worth(story: Sequence[Row], position: int, shared: set[str]) -> float:
    row = story[position]
    if row.event.text.startswith(EMPTY):
        return 0.0
    if row.writes & shared:
        value = 200.0
    elif row.reads & shared:
        value = 150.0
    elif row.suspends:
        value = 100.0
    elif position and story[position - 1].block != row.block:
        value = 80.0  # the first line of a run
    else:
        value = 40.0
    if _is_test(row.event.file):
        value /= 2  # the learner looks for the mistake in what the learner wrote
    return value


@lru_cache(maxsize=64)
def _is_test(file: str | None) -> bool:
    return PurePath(file or "").name.startswith("test_")


def _discount_repeats(story: Sequence[Row], values: list[float]) -> None:
    """Of a line that a task runs many times, the first two and the last two say it all."""
    times: dict[tuple[str, str | None, int | None], list[int]] = {}
    for position, row in enumerate(story):
        if row.event.kind == "line":
            place = (row.lane, row.event.file, row.event.line)
            times.setdefault(place, []).append(position)
    for positions in times.values():
        for position in positions[2:-2]:
            values[position] *= 0.2


def _stress_trouble(story: Sequence[Row], values: list[float]) -> None:
    """What a task did right before and after it was hit is worth reading."""
    per_lane: dict[str, list[int]] = {}
    for position, row in enumerate(story):
        if values[position]:
            per_lane.setdefault(row.lane, []).append(position)
    for positions in per_lane.values():
        for place, position in enumerate(positions):
            if story[position].event.kind in TROUBLE:
                for distance, extra in enumerate(NEAR_TROUBLE, 1):
                    for near in (place - distance, place + distance):
                        if 0 <= near < len(positions):
                            values[positions[near]] += extra


def lanes(
    story: Sequence[Row], values: Sequence[float], gap: Gap | None, most: int = COLUMNS
) -> list[str]:
    """The tasks that get a column, at most so many, in the order in which they first appear.

    The first task of a world only gathers the others: it stands back where two others can tell.
    """
    appear = list(dict.fromkeys(row.lane for row in story if row.lane))
    if gap is not None:
        return [lane for lane in appear if lane in gap.lanes[:most]]
    best = dict.fromkeys(appear, 0.0)
    last = dict.fromkeys(appear, 0)  # who was there at the end has more to do with it
    for position, (row, value) in enumerate(zip(story, values, strict=True)):
        if row.lane:
            best[row.lane] = max(best[row.lane], value)
            last[row.lane] = position
    learners = {
        row.lane
        for row in story
        if row.event.kind == "line" and not _is_test(row.event.file)  # whose lines the reader wrote
    }
    others = [lane for lane in appear[1:] if best[lane] > 0]
    told = [lane for lane in others if lane in learners] if learners else others
    able = others if len(told) > 1 else appear
    chosen = sorted(able, key=lambda lane: (lane not in learners, -best[lane], -last[lane]))[:most]
    return [lane for lane in appear if lane in chosen]


def choose(
    story: Sequence[Row], values: Sequence[float], shown: set[str], room: int, least: float = 0.0
) -> tuple[list[int], list[int]]:
    """Positions of the rows to show, the worthiest that fit in `room` lines, and of those that
    could have been.

    A long stretch that is left out costs a line too, which says so. Rows of tasks without a column
    come along only if something special happened. What is worth `least` or less never does.
    """
    candidates = [
        position
        for position, row in enumerate(story)
        if values[position] > 0
        and (row.lane in shown or row.lane == "" or row.event.kind in SPECIAL)
    ]
    order = {position: place for place, position in enumerate(candidates)}
    kept: list[int] = []
    lines = int(len(candidates) >= A_LEAP)  # one stretch left out: everything
    ranked = sorted(candidates, key=lambda p: (-values[p] - RECENT * p / len(story), -p))
    for position in ranked:
        change = _cost(kept, order[position], len(candidates))
        if lines + change <= room and values[position] > least:
            insort(kept, order[position])
            lines += change
    return [candidates[place] for place in kept], candidates


def _cost(kept: list[int], place: int, total: int) -> int:
    """How many lines more it takes to show `place`: a row, and stretches split or filled."""
    at = bisect_left(kept, place)
    before = kept[at - 1] if at else -1
    after = kept[at] if at < len(kept) else total
    leaps = (place - before > A_LEAP) + (after - place > A_LEAP) - (after - before > A_LEAP)
    return 1 + leaps
