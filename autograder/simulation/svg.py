"""A world's timeline as a picture: a lane for each task, virtual time to the right.

The picture brings its own background and colours for light and dark, because notebooks show it
as an image, where it could not take them over from the page. It refers to nothing outside itself
and is the same, byte for byte, for the same events.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from html import escape

from .events import Event
from .printable import Printer, clean, columns, plural, seconds
from .tracks import Arrow, Bar, Chart, Mark, Track, chart

LANES = 24  # more are counted, not drawn
EDGE = 16.0  # around everything
PITCH = 30.0  # from lane to lane
HALF = 8.0  # of a bar's height
LETTER = 6.0  # width of a letter of 11 px, roughly: fonts differ from machine to machine
SHORTEST = 8  # letters of a label that are worth showing if it does not fit
NOTE_LINE = 15.0
NOTE_LINES = 3
LEGEND = {
    "step": "runs",
    "run": "blocks everyone",
    "time": "waits for time or the network",
    "held": "waits for another task",
    "join": "waits for tasks to finish",
    "message": "message",
    "cancel": "cancels",
    "cross": "ends with an exception",
}

STYLE = """\
#@ text{font:11px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#24292f}
#@ .card{fill:#fdfdfc;stroke:#d9d9d4}
#@ .grid{stroke:#ececea}
#@ .soft{fill:#6b7280}
#@ .name{font-weight:600}
#@ .life{stroke:#c9ccd1}
#@ .time{fill:#cfe3f8;stroke:#6aa3dc}
#@ .held{fill:url(#@h);stroke:#d3a13f}
#@ .join{stroke:#a3a9b2;stroke-width:2;stroke-dasharray:2 4;stroke-linecap:round}
#@ .run{fill:#24292f}
#@ .step{stroke:#24292f;stroke-width:2.5;stroke-linecap:round}
#@ .steps{stroke:#24292f;stroke-width:.8}
#@ .hatch{fill:#fdf4dd}
#@ .hatchline{stroke:#e3b95f;stroke-width:2}
#@ .spawn{stroke:#9aa1ab;fill:none}
#@ .spawnhead{fill:#9aa1ab}
#@ .message{stroke:#8250df;fill:none;stroke-width:1.4}
#@ .messagehead{fill:#8250df}
#@ .cancel{stroke:#cf222e;fill:none;stroke-width:1.4;stroke-dasharray:4 3}
#@ .cancelhead{fill:#cf222e}
#@ .cross{stroke:#cf222e;stroke-width:2.5;stroke-linecap:round}
#@ .bad{fill:#cf222e}
#@ .note{stroke:#8c959f;stroke-dasharray:2 3}
@media(prefers-color-scheme:dark){
#@ text{fill:#e6edf3}
#@ .card{fill:#161b22;stroke:#30363d}
#@ .grid{stroke:#252b33}
#@ .soft{fill:#9198a1}
#@ .life{stroke:#3d444d}
#@ .time{fill:#1f4469;stroke:#4b86c0}
#@ .held{stroke:#9e7a2e}
#@ .run{fill:#e6edf3}
#@ .step,#@ .steps{stroke:#e6edf3}
#@ .hatch{fill:#352c17}
#@ .hatchline{stroke:#7d6328}
#@ .message{stroke:#b18aff}
#@ .messagehead{fill:#b18aff}
#@ .cancel,#@ .cross{stroke:#ff7b72}
#@ .cancelhead,#@ .bad{fill:#ff7b72}
}"""

_SAFE = Printer()


def draw(events: Sequence[Event], *, width: int = 760, focus: Collection[str] | None = None) -> str:
    """An SVG document, `width` pixels wide."""
    picture = _Picture(chart(events), max(width, 320), focus)
    body = "\n".join(picture.body())
    own = f"t{zlib.crc32(body.encode('utf-8', 'replace')):08x}"
    style = STYLE.replace("@", own).replace(f"{own}media", "@media")
    size = f'width="{_n(picture.width)}" height="{_n(picture.height)}"'
    box = f'viewBox="0 0 {_n(picture.width)} {_n(picture.height)}"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" id="{own}" {size} {box} role="img" '
            f'aria-labelledby="{own}t {own}d">',
            f'<title id="{own}t">{_text(picture.title())}</title>',
            f'<desc id="{own}d">{_text(picture.description())}</desc>',
            f"<style>{style}</style>",
            f'<defs><pattern id="{own}h" width="7" height="7" patternUnits="userSpaceOnUse" '
            'patternTransform="rotate(45)"><rect class="hatch" width="7" height="7"/>'
            '<path class="hatchline" d="M0 0V7"/></pattern></defs>',
            body,
            "</svg>",
        )
    )


class _Picture:
    """Knows where everything goes."""

    def __init__(self, drawn: Chart, width: float, focus: Collection[str] | None) -> None:
        self.chart = drawn
        tracks = [t for t in drawn.tracks.values() if focus is None or t.name in focus]
        self.tracks, self.hidden = tracks[:LANES], len(drawn.tracks) - len(tracks[:LANES])
        self.names = {track.name: _SAFE.cut(clean(track.name), 24) for track in self.tracks}
        longest = max((columns(name) for name in self.names.values()), default=0)
        self.width = width
        self.left = EDGE + max(longest * LETTER * 1.08 + 14, 50)
        self.right = width - EDGE - self._overhang()
        self.notes = list(_stacked(self._visible_marks(), self.x))
        levels = [level + 1 for _, level in self.notes if level is not None]
        self.top = EDGE + NOTE_LINE * max(levels, default=0)
        self.axis = self.top + PITCH * max(len(self.tracks), 1) + 2
        self.legend = list(self._legend_places())
        self.height = self.axis + 26 + 20 * (1 + max((row for *_, row in self.legend), default=0))
        self.height += 6 + (18 if self.hidden else 0)

    def _overhang(self) -> float:
        """Room to the right for what must not be cut: an exception at the very end."""
        late = [label for t in self.tracks for at, label in t.crosses if at > 0.7 * self.chart.end]
        return min(max((len(_reason(label)) * LETTER + 14 for label in late), default=10), 170)

    def _visible_marks(self) -> list[Mark]:
        return [m for m in self.chart.marks if m.lane is None or m.lane in self.names]

    def x(self, at: float) -> float:
        return self.left + (self.right - self.left) * at / (self.chart.end or 1.0)

    def y(self, name: str) -> float:
        """The middle of a task's lane."""
        return self.top + PITCH * (list(self.names).index(name) + 0.5)

    def title(self) -> str:
        length = f" over {seconds(self.chart.end)}" if self.chart.timed else ""
        return f"Timeline of {plural(len(self.chart.tracks), 'task')}{length}"

    def description(self) -> str:
        return " ".join(_in_words(track) for track in self.tracks) or "Nothing was recorded."

    def body(self) -> Iterator[str]:
        size = f'width="{_n(self.width - 1)}" height="{_n(self.height - 1)}"'
        yield f'<rect class="card" x=".5" y=".5" rx="6" {size}/>'
        yield from self._ticks()
        for track in self.tracks:
            yield from self._lane(track)
        for arrow in self.chart.arrows:
            yield from self._arrow(arrow)
        for track in self.tracks:
            yield from self._steps(track)
        for mark, level in self.notes:
            yield from self._note(mark, level)
        yield from self._key()

    # -- the parts ----------------------------------------------------------------------------

    def _ticks(self) -> Iterator[str]:
        step, digits = _tick(
            self.chart.end, self.right - self.left, 0.0 if self.chart.timed else 1.0
        )
        unit = " s" if self.chart.timed else ""
        count = int(self.chart.end / step + 1e-6)
        for number in range(count + 1):
            x = self.x(number * step)
            yield f'<path class="grid" d="M{_n(x)} {_n(self.top)}V{_n(self.axis)}"/>'
            label = f"{number * step:.{digits if number else 0}f}{unit}"
            yield _label(x, self.axis + 15, label, "soft", "middle")
        if not self.chart.timed:
            yield _label(EDGE, self.axis + 15, "step", "soft")

    def _lane(self, track: Track) -> Iterator[str]:
        y = self.y(track.name)
        yield _label(EDGE, y + 4, self.names[track.name], "name")
        if track.begin is not None:
            end = self.x(self.chart.end if track.end is None else track.end)
            yield f'<path class="life" d="M{_n(self.x(track.begin))} {_n(y)}H{_n(end)}"/>'
        for bar in track.bars:
            yield from self._bar(bar, y)

    def _bar(self, bar: Bar, y: float) -> Iterator[str]:
        x, width = self.x(bar.start), self.x(bar.end) - self.x(bar.start)
        if bar.sort == "join":
            yield f'<path class="join" d="M{_n(x)} {_n(y)}h{_n(width)}"/>'
            return
        height = f'y="{_n(y - HALF)}" height="{_n(2 * HALF)}"'
        yield f'<rect class="{bar.sort}" x="{_n(x)}" {height} width="{_n(width)}" rx="2"/>'
        room = int((width - 12) / LETTER)
        label = clean(bar.label)
        if bar.sort != "run" and room >= min(columns(label), SHORTEST):
            yield _label(x + 7, y + 4, _SAFE.cut(label, room))

    def _steps(self, track: Track) -> Iterator[str]:
        y = self.y(track.name)
        places = dict.fromkeys(_n(self.x(at)) for at in track.steps)
        if places:
            lines = "".join(f"M{x} {_n(y - HALF)}v{_n(2 * HALF)}" for x in places)
            dense = len(places) * 5 > self.x(track.steps[-1]) - self.x(track.steps[0]) + 50
            yield f'<path class="{"steps" if dense else "step"}" d="{lines}"/>'
        if track.bars and track.bars[-1].open:
            yield _label(self.x(self.chart.end) + 4, y + 4, "…", "soft")
        for at, reason in track.crosses:
            x = self.x(at) + 1
            cross = f"M{_n(x - 5)} {_n(y - 5)}l10 10m0-10l-10 10"
            yield f'<path class="cross" d="{cross}"/>'
            yield _label(x + 10, y + 4, _reason(reason), "bad")

    def _arrow(self, arrow: Arrow) -> Iterator[str]:
        if arrow.target not in self.names:
            return
        x, y = self.x(arrow.end), self.y(arrow.target)
        down = arrow.source not in self.names or self.y(arrow.source or "") <= y
        tip = y - HALF if down else y + HALF
        if arrow.source in self.names and arrow.source != arrow.target:
            x0, y0 = self.x(arrow.start), self.y(arrow.source)
            y0 += HALF if down else -HALF
        elif arrow.sort == "cancel":
            x0, y0 = x, tip - 9
        else:
            return
        bend = (tip - y0) / 2
        curve = f"C{_n(x0)} {_n(y0 + bend)} {_n(x)} {_n(tip - bend)}" if x0 != x else "L"
        yield f'<path class="{arrow.sort}" d="M{_n(x0)} {_n(y0)}{curve} {_n(x)} {_n(tip)}"/>'
        back = -5 if down else 5
        head = f"M{_n(x)} {_n(tip)}l-3.5 {back}h7z"
        yield f'<path class="{arrow.sort}head" d="{head}"/>'

    def _note(self, mark: Mark, level: int | None) -> Iterator[str]:
        x, y = self.x(mark.at), EDGE + NOTE_LINE * (level or 0)
        bottom = self.axis if mark.lane is None else self.y(mark.lane) - HALF
        yield f'<path class="note" d="M{_n(x)} {_n(y)}V{_n(bottom)}"/>'
        if level is None:
            return
        sort = "soft" if mark.sort == "note" else "bad"
        room = max(int((self.width - EDGE - x) / LETTER), 4)
        yield _label(x + 4, y + 8, _SAFE.cut(_said(mark), room), sort)

    # -- the legend ---------------------------------------------------------------------------

    def _legend_places(self) -> Iterator[tuple[str, float, int]]:
        present = {bar.sort for track in self.tracks for bar in track.bars}
        present |= {arrow.sort for arrow in self.chart.arrows}
        present |= {"cross" for track in self.tracks if track.crosses}
        present |= {"step" for track in self.tracks if track.steps}
        x, row = EDGE, 0
        for sort, words in LEGEND.items():
            if sort in present:
                wide = 30 + len(words) * LETTER * 0.95
                if x > EDGE and x + wide > self.width - EDGE:
                    x, row = EDGE, row + 1
                yield sort, x, row
                x += wide + 14

    def _key(self) -> Iterator[str]:
        for sort, x, row in self.legend:
            y = self.axis + 38 + 20 * row
            yield _sample(sort, x, y)
            yield _label(x + 26, y + 4, LEGEND[sort], "soft")
        if self.hidden:
            y = self.height - 12
            yield _label(EDGE, y, f"{plural(self.hidden, 'more task')} not shown", "soft")


def _sample(sort: str, x: float, y: float) -> str:
    if sort == "step":
        return f'<path class="step" d="M{_n(x + 10)} {_n(y - 6)}v12"/>'
    if sort == "cross":
        return f'<path class="cross" d="M{_n(x + 6)} {_n(y - 4)}l8 8m0-8l-8 8"/>'
    if sort in ("join", "message", "cancel"):
        line = f'<path class="{sort}" d="M{_n(x)} {_n(y)}h{18 if sort == "join" else 14}"/>'
        head = f'<path class="{sort}head" d="M{_n(x + 20)} {_n(y)}l-6-3.5v7z"/>'
        return line if sort == "join" else line + head
    return f'<rect class="{sort}" x="{_n(x)}" y="{_n(y - 5)}" width="20" height="10" rx="2"/>'


def _label(x: float, y: float, text: str, sort: str = "", anchor: str = "") -> str:
    attributes = f' class="{sort}"' if sort else ""
    attributes += f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{_n(x)}" y="{_n(y)}"{attributes}>{_text(text)}</text>'


def _text(text: str) -> str:
    return escape(clean(text), quote=True)


def _n(number: float) -> str:
    """A coordinate to a tenth of a pixel, the same on every machine."""
    text = f"{number:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _reason(text: str) -> str:
    return _SAFE.cut(clean(text), 24)


def _said(mark: Mark) -> str:
    return clean(mark.label if mark.sort == "note" else f"{mark.sort}: {mark.label}")


def _stacked(
    marks: Sequence[Mark], x: Callable[[float], float]
) -> Iterator[tuple[Mark, int | None]]:
    """Each mark and the line its words go on, so that they do not run into each other; None if
    there is no room."""
    ends = [0.0] * NOTE_LINES
    for mark in marks:
        place = x(mark.at)
        level = next((n for n, end in enumerate(ends) if end <= place), None)
        if level is not None:
            ends[level] = place + len(_said(mark)) * LETTER + 12
        yield mark, level


def _tick(end: float, width: float, least: float) -> tuple[float, int]:
    """A round distance between ticks, about 90 pixels, and how many decimals it needs."""
    raw = max(end / max(width / 90, 1), least) or 1.0
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= raw * 0.999)
    return step, max(0, -math.floor(math.log10(step) + 1e-9))


def _in_words(track: Track) -> str:
    parts = []
    for sort, words in (("time", "time"), ("held", "another task"), ("join", "tasks")):
        total = sum(bar.end - bar.start for bar in track.bars if bar.sort == sort)
        if total:
            parts.append(f"waits {seconds(total)} for {words}")
    parts += [f"ends with {_reason(reason)}" for _, reason in track.crosses]
    if track.end is None:
        parts.append("never ends")
    return f"{_SAFE.cut(clean(track.name), 60)}: {', '.join(parts) or 'runs'}."
