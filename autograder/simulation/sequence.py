"""Who told whom what, in which order: a message sequence diagram, as text and as Mermaid."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .letters import Step
from .printable import Printer, columns, plural, seconds

_LATE = 1.0
"""Seconds after which an arrival says when it was sent."""
_CLOSEST = 10  # columns between two participants' lines
_GUTTER = 3
_ODD = re.compile(r"[^\w .,:()/'+=?!-]")  # may mean something to Mermaid


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the diagram; `receiver` is "" for what happens at the sender."""

    time: float
    sender: str
    receiver: str
    text: str
    lost: bool = False


class SequenceDiagram:
    """Participants side by side, their messages as arrows, time downwards.

    An arrow stands where the message arrived; one that was overtaken or took long says when it was
    sent.
    """

    def __init__(self, steps: Iterable[Step]) -> None:
        self.steps = list(steps)
        self.participants = _participants(self.steps)
        self._rows = list(_rows(self.steps))

    def text(self, width: int = 100, rows: int = 24, *, encoding: str | None = None) -> str:
        """At most `rows` lines of `width` terminal columns, the header aside.

        `encoding` is that of the stream it is for (None: it can say all).
        """
        page = _Page(Printer(encoding), self.participants, width)
        return "\n".join(page.lines(self._rows, max(rows, 3)))

    def mermaid(self, rows: int = 60) -> str:
        """The source of a Mermaid `sequenceDiagram`, at most `rows` rows of it."""
        names = {name: f"p{number}" for number, name in enumerate(self.participants)}
        lines = ["sequenceDiagram"]
        lines += [f"    participant {key} as {_harmless(name)}" for name, key in names.items()]
        for row in self._rows[:rows]:
            lines.append("    " + _as_mermaid(row, names))
        more = len(self._rows) - rows
        if more > 0:
            lines.append(f"    Note over p0: and {plural(more, 'row')} more")
        return "\n".join(lines)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": self.text(), "text/vnd.mermaid": self.mermaid()}

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<SequenceDiagram of {plural(len(self._rows), 'row')}>"


def _participants(steps: Sequence[Step]) -> list[str]:
    """Whoever sends, receives or has something happen, in the order of first appearance."""
    names = (name for step in steps for name in (step.sender, step.receiver))
    return list(dict.fromkeys(filter(None, names)))


def _rows(steps: Sequence[Step]) -> Iterator[_Row]:
    sent = {step.number: step for step in steps if step.kind == "send"}
    settled = {step.number for step in steps if step.kind in ("arrive", "lose")}
    arrived: dict[int, int] = {}
    newest: dict[tuple[str, str], int] = {}
    for step in steps:
        match step.kind:
            case "happen":
                yield _Row(step.time, step.sender, "", step.text)
            case "send" if step.number not in settled:
                yield _Row(step.time, step.sender, step.receiver, f"{step.text} (under way)")
            case "lose":
                yield _Row(step.time, step.sender, step.receiver, step.text, lost=True)
            case "arrive":
                link = (step.sender, step.receiver)
                overtaken = step.number < newest.get(link, 0)
                newest[link] = max(step.number, newest.get(link, 0))
                arrived[step.number] = arrived.get(step.number, 0) + 1
                text = step.text + (" (again)" if arrived[step.number] > 1 else "")
                began = sent[step.number].time if step.number in sent else step.time
                if overtaken or step.time - began >= _LATE:
                    text += f" (sent {seconds(began)})"
                yield _Row(step.time, step.sender, step.receiver, text)


def _as_mermaid(row: _Row, names: dict[str, str]) -> str:
    text = _harmless(row.text)
    if not row.receiver:
        return f"Note over {names[row.sender]}: {text}"
    arrow = "-x" if row.lost else "->>"
    return f"{names[row.sender]}{arrow}{names[row.receiver]}: {text}"


def _harmless(text: str) -> str:
    """Text that Mermaid takes as such; `end` alone would be a keyword."""
    said = _ODD.sub(" ", text).strip()[:200] or "-"
    return f"'{said}'" if said.lower() == "end" else said


class _Page:
    """Lays the rows out: a line down for each participant, arrows between them."""

    def __init__(self, printer: Printer, participants: Sequence[str], width: int) -> None:
        self.printer = printer
        self.participants = participants
        self.width = max(width, 40)

    def lines(self, rows: Sequence[_Row], most: int) -> Iterator[str]:
        times = [seconds(row.time) for row in rows]
        self.clock = max(map(len, [*times, "time"]))
        self.places = self._places(rows)
        self.end = self.width - self.clock - _GUTTER
        yield self._header()
        kept = _kept(len(rows), most)
        before = ""
        for number, row in enumerate(rows):
            if number not in kept:
                if number - 1 in kept:
                    left_out = f"… {plural(len(rows) - len(kept), 'row')} …"
                    yield " " * (self.clock + _GUTTER) + self.printer.say(left_out)
                continue
            time = "" if times[number] == before else times[number]
            before = times[number]
            drawn = self._happening(row) if not row.receiver else self._arrow(row)
            yield (time.rjust(self.clock) + " " * _GUTTER + drawn).rstrip()

    def _places(self, rows: Sequence[_Row]) -> dict[str, int]:
        """The column of each participant's line: as far apart as labels want, if there is room."""
        names = [self.printer.say(name) for name in self.participants]
        gaps = [_CLOSEST] * (len(names) - 1)
        for left, name in enumerate(names[:-1]):
            gaps[left] = max(gaps[left], (columns(name) + columns(names[left + 1])) // 2 + 2)
        order = {name: number for number, name in enumerate(self.participants)}
        last = 0
        for row in rows:
            wanted = columns(self.printer.say(row.text))
            left, right = sorted((order[row.sender], order.get(row.receiver, order[row.sender])))
            if not row.receiver and right == len(gaps):
                last = max(last, wanted + 3)
            elif right - left <= 1 and left < len(gaps):
                gaps[left] = max(gaps[left], wanted + (8 if row.receiver else 4))
        start = columns(names[0]) // 2 if names else 0
        tail = max(last, columns(names[-1]) // 2 + 1) if names else 0
        room = self.width - self.clock - _GUTTER - start - min(tail, self.width // 4)
        while sum(gaps) > room and max(gaps) > _CLOSEST:
            gaps[gaps.index(max(gaps))] -= 1
        places, at = {}, start
        for name, gap in zip(self.participants, [*gaps, 0], strict=False):
            places[name] = at
            at += gap
        return places

    def _header(self) -> str:
        line = ""
        for name in self.participants:
            said = self.printer.say(name)
            start = max(self.places[name] - columns(said) // 2, columns(line) + bool(line))
            line += " " * (start - columns(line)) + said
        return self.printer.cut(
            "time".rjust(self.clock) + " " * _GUTTER + line, self.width
        ).rstrip()

    def _over(self, start: int, text: str, end: int) -> str:
        """The participants' lines, with `text` over the columns from `start` up to `end`."""
        down = self.printer.say("│")
        places = set(self.places.values())
        before = "".join(down if at in places else " " for at in range(start))
        after = "".join(
            down if at in places else " " for at in range(end, max(places, default=0) + 1)
        )
        return before + text + after

    def _happening(self, row: _Row) -> str:
        at = self.places[row.sender]
        text = self.printer.cut(self.printer.say(f"● {row.text}"), max(self.end - at, 4))
        end = at + columns(text)
        follower = min((p for p in self.places.values() if p > at), default=None)
        if follower is not None and end < follower:
            text, end = text + " ", end + 1
        return self._over(at, text, end)

    def _arrow(self, row: _Row) -> str:
        sender, receiver = self.places[row.sender], self.places[row.receiver]
        if sender == receiver:
            return self._happening(_Row(row.time, row.sender, "", f"{row.text} (to itself)"))
        left, right = sorted((sender, receiver))
        say = self.printer.say
        line, tip = say("─"), say("✗" if row.lost else "▶" if receiver > sender else "◀")
        room = right - left - 1 - len(tip)
        label = self.printer.cut(say(row.text), max(room - 4, 1))
        filler = room - columns(label) - 2
        before = max(filler // 2, 1)
        shaft = f"{line * before} {label} {line * max(filler - before, 1)}"
        inside = shaft + tip if receiver > sender else tip + shaft
        end = say("│")
        return self._over(left, end + inside + end, right + 1)


def _kept(count: int, most: int) -> set[int]:
    """Which rows are shown: if they are too many the first third of what fits, and the last."""
    if count <= most:
        return set(range(count))
    first = most // 3
    return {*range(first), *range(count - (most - 1 - first), count)}
