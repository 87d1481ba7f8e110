"""What happened in a world: as text for a terminal, as a picture for a notebook, as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any

from .events import Event
from .highlights import A_LEAP, BESIDE_A_GAP, COLUMNS, choose, lanes, worth
from .interleaving import Row, clearest_gap, rows
from .printable import Printer, columns, plural, seconds
from .sharing import source_lines

GUTTER = "   "  # between columns
DEEPEST = 8  # spaces of indentation kept; where there is no room, a space for so many of them:
STEP = 4
WIDE = 92  # terminal columns from which on three tasks fit side by side
NARROWEST = 10  # of a task's column
LONG = 200  # lines, of which only the last few are shown if hardly any of them waits
LAST_FEW = 6

SAYS = {
    "raise": "✗ raises {}",
    "cancel": "↯ cancelled by {}",
    "fault": "↯ {}",
    "send": "→ {}",
    "deliver": "← {}",
    "drop": "✗ lost: {}",
    "spawn": "starts {}",
    "end": "returns {}",
    "note": "note: {}",
    "wait": "waits for {}",
    "stuck": "still waits for {}",
}


class Timeline:
    """The events of one world, in time order.

    `focus` names the tasks to show (at most three are shown as text); without it they are chosen.
    """

    def __init__(self, events: Iterable[Event], *, focus: Collection[str] | None = None) -> None:
        self.events = list(events)
        self.focus = None if focus is None else tuple(dict.fromkeys(focus))

    def text(self, width: int = 100, rows: int = 24, *, encoding: str | None = None) -> str:
        """The rows that show what went wrong: one task a column, time downwards.

        At most `rows` lines of `width` terminal columns, the header aside. `encoding` is that of
        the stream it is for; signs and letters it cannot say are replaced (None: it can say all).
        """
        if not self.events:
            return "nothing was recorded"
        page = _Page(Printer(encoding), max(width, 40))
        return "\n".join(page.lines(*_select(self.events, self.focus, max(rows, 3), width)))

    def svg(self, width: int = 760) -> str:
        """The same story as a picture, `width` pixels wide: a lane a task, time to the right."""
        from .svg import draw

        return draw(self.events, width=width, focus=self.focus)

    def data(self) -> list[dict[str, Any]]:
        """Every event as a dict of strings, numbers and None."""
        return [asdict(event) for event in self.events]

    def _repr_svg_(self) -> str:
        return self.svg()

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        tasks = len({event.lane for event in self.events} - {""})
        return f"<Timeline of {plural(tasks, 'task')}>"


@dataclass(slots=True)
class _Shown:
    """A row on the page: which tasks are in the middle of something meanwhile."""

    row: Row | None  # None: a stretch is left out
    left_out: int = 0
    alive: frozenset[str] = frozenset()
    of_a_calculation: bool = False


def _select(
    events: Sequence[Event], focus: Sequence[str] | None, room: int, width: int
) -> tuple[list[_Shown], list[str], list[str]]:
    """What to show: rows, the tasks with a column, the tasks without one."""
    story = rows(events)
    gap = clearest_gap(story) if focus is None else None
    values = worth(story, gap)
    chosen = list(focus[:COLUMNS]) if focus else lanes(story, values, gap, _columns(width))
    least = BESIDE_A_GAP if gap is not None else 0.0
    calculates = _only_calculates(story)
    room = min(room, LAST_FEW) if calculates else room
    kept, candidates = choose(story, values, set(chosen), room, least)
    everyone = dict.fromkeys(row.lane for row in story if row.lane)
    others = [lane for lane in everyone if lane not in chosen]
    shown = list(_told(story, kept, candidates))
    for one in shown:
        one.of_a_calculation = calculates
    return shown, chosen, others


def _only_calculates(story: Sequence[Row]) -> bool:
    """True for many lines of one task that hardly ever waits: pure functions, called again and
    again. The order of their lines is no story."""
    return (
        len(story) > LONG
        and all(row.lane == story[0].lane and row.event.kind == "line" for row in story)
        and sum(row.suspends for row in story) * 100 < len(story)
    )


def _columns(width: int) -> int:
    """How many tasks stand side by side: fewer, where their lines would be cut to nothing."""
    return COLUMNS if width >= WIDE else COLUMNS - 1


def _told(story: Sequence[Row], kept: Sequence[int], candidates: Sequence[int]) -> Iterator[_Shown]:
    alive: set[str] = set()
    showing, possible = set(kept), set(candidates)
    left_out = 0
    for position, row in enumerate(story):
        if row.event.kind in ("line", "wait"):
            alive.add(row.lane)
        if position in showing:
            if left_out >= A_LEAP:
                yield _Shown(None, left_out, frozenset(alive))
            yield _Shown(row, alive=frozenset(alive))
            left_out = 0
        elif position in possible:
            left_out += 1
        if row.event.kind in ("end", "raise"):
            alive.discard(row.lane)
    if left_out >= A_LEAP:
        yield _Shown(None, left_out)


class _Page:
    """Lays the chosen rows out in columns."""

    def __init__(self, printer: Printer, width: int) -> None:
        self.printer = printer
        self.width = width

    def lines(
        self, shown: Sequence[_Shown], chosen: Sequence[str], others: Sequence[str]
    ) -> Iterator[str]:
        told = [one.row for one in shown if one.row is not None]
        self.home = _commonest(row.event.file for row in told)
        self.digits = max((len(str(row.event.line or "")) for row in told), default=1)
        clock = [seconds(row.event.time) for row in told]
        self.clock = max(map(len, [*clock, "time"]))
        self.indents = _indents(told)
        widths = self._widths(told, chosen)
        if sum(widths) > self._room(chosen):  # rather less of the shape than less of the words
            self.indents = {place: depth // STEP for place, depth in self.indents.items()}
            widths = self._widths(told, chosen)
        self._narrow(widths, self._room(chosen))
        yield self._header(chosen, widths)
        before = ""
        for one in shown:
            time = "" if one.row is None else seconds(one.row.event.time)
            start = ("" if time == before else time).rjust(self.clock) + GUTTER
            yield (start + self._row(one, chosen, widths)).rstrip()
            before = time or before
        yield self._footer(others)

    def _header(self, chosen: Sequence[str], widths: Sequence[int]) -> str:
        names = [
            self.printer.pad(self.printer.say(name), width)
            for name, width in zip(chosen, widths, strict=True)
        ]
        line = "time".rjust(self.clock) + GUTTER + GUTTER.join(names)
        return line.rstrip()

    def _footer(self, others: Sequence[str]) -> str:
        """Whose line numbers these are, and which tasks have no column."""
        parts = [f"lines of {_place(self.home)}"] if self.home else []
        if others:
            more = f" and {len(others) - 3} more" if len(others) > 3 else ""
            parts.append(f"not shown: {', '.join(others[:3])}{more}")
        line = " " * self.clock + GUTTER + self.printer.say("; ".join(parts))
        return self.printer.cut(line, self.width).rstrip()

    def _room(self, chosen: Sequence[str]) -> int:
        return self.width - self.clock - len(GUTTER) * len(chosen)

    def _widths(self, told: Sequence[Row], chosen: Sequence[str]) -> list[int]:
        """As wide as needed."""
        return [
            max(
                columns(self.printer.say(lane)),
                NARROWEST,
                *(columns(self._cell(row)) for row in told if row.lane == lane),
                0,
            )
            for lane in chosen
        ]

    @staticmethod
    def _narrow(widths: list[int], room: int) -> None:
        """If that is too wide, the widest give way first."""
        while sum(widths) > room:
            widest = max(range(len(widths)), key=widths.__getitem__)
            if widths[widest] <= NARROWEST:
                break
            widths[widest] -= 1

    def _row(self, one: _Shown, chosen: Sequence[str], widths: Sequence[int]) -> str:
        room = self.width - self.clock - len(GUTTER)
        row = one.row
        if row is None:
            if one.of_a_calculation:
                said = f"… {one.left_out:,} lines of pure computing, and then these: …"
                return self.printer.cut(self.printer.say(said), room)
            return self.printer.say(f"… {plural(one.left_out, 'row')} …")
        if row.lane not in chosen:
            who = f"{row.lane}: " if row.lane else ""
            return self.printer.cut(self.printer.say(who) + self._says(row.event), room)
        waiting = " " * (self.digits + 2) + self.printer.say("·")
        cells = [
            self._cell(row) if lane == row.lane else waiting if lane in one.alive else ""
            for lane in chosen
        ]
        padded = (self.printer.pad(c, w) for c, w in zip(cells, widths, strict=True))
        return self.printer.cut(GUTTER.join(padded).rstrip(), room)

    def _cell(self, row: Row) -> str:
        event = row.event
        number = str(event.line or "").rjust(self.digits)
        indent = self.indents.get((event.file, event.line), 0) if event.kind == "line" else 0
        again = self.printer.say("↳ ") if row.resumed else ""
        return f"{number}  {' ' * indent}{again}{self._says(event)}"

    def _says(self, event: Event) -> str:
        text = event.text
        if event.kind == "end" and text in ("", "cancelled"):
            return text or "done"
        if event.kind == "cancel" and not text:
            return self.printer.say("↯ is cancelled")
        if event.file and event.file != self.home and event.kind == "line":
            text = f"{_place(event.file)}: {text}"
        return self.printer.say(SAYS.get(event.kind, "{}").format(text))


def _place(file: str) -> str:
    """What a reader calls a file. Cells of notebooks live in files of passing names."""
    if "ipykernel_" in file or file.startswith("<ipython-input"):
        return "this cell"
    return PurePath(file).name


def _commonest(files: Iterable[str | None]) -> str | None:
    """The file most rows are from; of equals the first."""
    counts = Counter(file for file in files if file)
    return counts.most_common(1)[0][0] if counts else None


def _indents(told: Sequence[Row]) -> dict[tuple[str | None, int | None], int]:
    """How deep the shown lines stand in their source, the shallowest of a file at 0."""
    depths: dict[tuple[str | None, int | None], int] = {}
    for row in told:
        event = row.event
        if event.kind == "line" and event.file and event.line:
            source = "".join(source_lines(event.file)[event.line - 1 : event.line])
            if source.strip() == event.text:
                space = source[: len(source) - len(source.lstrip())].expandtabs()
                depths[event.file, event.line] = len(space)
    least: dict[str | None, int] = {}
    for (file, _), depth in depths.items():
        least[file] = min(depth, least.get(file, depth))
    return {place: min(depth - least[place[0]], DEEPEST) for place, depth in depths.items()}
