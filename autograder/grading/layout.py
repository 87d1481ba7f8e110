"""How results read: lines of styled text, for a terminal or as plain text."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.simulation.printable import Printer, columns

from . import mistakes, tree
from .results import ExerciseResult, Note, TestResult

Span = tuple[str, str]
"""Text and its style: "good", "bad", "bold", "dim", "name" or ""."""
Line = tuple[Span, ...]

_MARKS: dict[str, str | int | None] = {"✓": "+", "✗": "x", "·": "-", "…": "..."}
_MOST_OUTPUT_LINES = 12
_MOST_TIMELINES = 2
"""A learner mends one thing at a time: the first failures are shown, the others only told."""
_MOST_FAILURES = 3
_MOST_NOTES = 2


@dataclass(slots=True)
class Page:
    """Where results are shown.

    Attributes:
        root: the course's folder; here: the folder the learner is in.
        width: columns; encoding: of the stream, None for any.
        options: what has to be added to a command to grade the same submission again.
    """

    root: Path
    here: Path
    width: int = 100
    encoding: str | None = None
    options: str = ""

    def say(self, text: str) -> str:
        """Text made safe to print, with signs that the stream can encode."""
        printer = Printer(self.encoding)
        try:
            "✓".encode(self.encoding or "utf-8")
        except (UnicodeEncodeError, LookupError):
            text = text.translate(str.maketrans(_MARKS))
        return printer.say(text)

    def shown(self, path: str | Path) -> str:
        """A path as the learner would type it."""
        return tree.shown(Path(path), self.here, self.root)

    def wrapped(self, text: str, indent: str, style: str = "") -> Iterator[Line]:
        """Text broken at spaces; lines that are indented are a table, and stay as they are."""
        for paragraph in text.splitlines() or [""]:
            if paragraph.startswith(" "):
                yield ((indent + self.say(paragraph), style),)
                continue
            for line in textwrap.wrap(
                self.say(paragraph),
                self.width,
                initial_indent=indent,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            ) or [""]:
                yield ((line, style),)

    def sides(self, left: Sequence[Span], right: str, style: str = "") -> Line:
        """Something at the left margin and something at the right one."""
        said = [(self.say(text), how) for text, how in left]
        right = self.say(right)
        used = sum(columns(text) for text, _ in said)
        if not right:
            return tuple(said)
        gap = max(3, self.width - used - columns(right))
        return (*said, (" " * gap, ""), (right, style))

    # -- an exercise --------------------------------------------------------------------------

    def heading(self, exercise: ExerciseResult) -> str:
        name = exercise.path.replace("\\", "/").rsplit("/", 1)[-1] or exercise.name
        if exercise.submission:
            name = f"{exercise.name} · {exercise.submission}"
        return f"{exercise.title} · {name}"

    def exercise(self, result: ExerciseResult, *, short: bool, verbose: bool) -> Iterator[Line]:
        """An exercise that was begun: what holds, and what went wrong.

        `short`: leave out what holds; `verbose`: add the tests' names and every timeline.
        """
        bad = [test for test in result.tests if test.bad]
        roots = result.roots()
        if roots and roots[0].complaint and not result.passed:
            yield from self.complaint(self.heading(result), roots[0])
            return
        reasons = dict.fromkeys(t.message for t in result.tests if t.status == "skipped")
        if result.status == "skipped":
            yield self.sides([(self.heading(result), "bold")], "skipped", "dim")
            yield from self._skipped(reasons)
            return
        counted = [test for test in result.tests if test.status != "skipped"]
        holds = f"{result.passed} of {len(counted)} hold"
        if not bad:
            holds = f"all {len(counted)} hold" if len(counted) > 1 else "holds"
        yield self.sides([(self.heading(result), "bold")], holds, "bad" if bad else "good")
        if short and not bad:
            yield from self._skipped(reasons)
            return
        following = [t for t in bad if t.status != "not-begun" and t not in roots]
        yield ()
        for test in result.tests:
            if test.bad or not short:
                yield from self.checked(test, follows=test in following, name=verbose)
        if following:
            yield ()
            yield (("  ↳ probably follows from what is told below", "dim"),)
        yield from self._skipped(reasons)
        told = roots if verbose else roots[:_MOST_FAILURES]
        for number, test in enumerate(told):
            yield ()
            yield from self.failure(test, timeline=verbose or number < _MOST_TIMELINES)
        if len(told) < len(roots):
            yield ()
            more = len(roots) - len(told)
            yield ((f"{more} more fail otherwise: mend these first, or see all with -v", "dim"),)
        module, _, name = result.exercise.partition("/")
        if told and (self.root / "exercises" / module / "hints" / f"{name}.md").is_file():
            yield (("  Stuck? ", "dim"), (f"course hint {_short(result.exercise)}", ""))

    def _skipped(self, reasons: Iterable[str]) -> Iterator[Line]:
        """Why tests were skipped, each reason once."""
        for reason in filter(None, reasons):
            yield from self.wrapped(f"skipped: {reason}", "  ", "dim")

    def complaint(self, subject: str, test: TestResult) -> Iterator[Line]:
        """A file that nothing can be said about but why it cannot be graded."""
        lines = list(self.wrapped(f"{subject} {test.message}", ""))
        yield from (((line[0][0], "bold"),) for line in lines)
        for row in test.rows:
            yield ((f"    {self.say(row)}", ""),)
        if test.message.startswith("is not there"):
            back = f"course reset {_short(test.exercise)}   brings the stub back."
            yield ((f"    {back}", ""),)

    def checked(self, test: TestResult, *, follows: bool, name: bool) -> Iterator[Line]:
        marks = {"passed": ("✓", "good"), "skipped": ("·", "dim"), "not-begun": ("·", "dim")}
        mark, style = marks.get(test.status, ("↳" if follows else "✗", "bad"))
        said = test.requirement
        if test.status in ("skipped", "not-begun"):
            said += f"   ({test.status.replace('-', ' ')})"
        first = True
        for line in self.wrapped(said, "    "):
            text = line[0][0]
            yield ((f"  {self.say(mark)} ", style), (text[4:], "")) if first else line
            first = False
        if name:
            yield ((f"      {test.test}", "dim"),)

    # -- a failure ----------------------------------------------------------------------------

    def failure(self, test: TestResult, *, timeline: bool = True) -> Iterator[Line]:
        """Requirement, what happened, the mistake, where to read, how to see it again."""
        yield from self._headline(test)
        if test.path and test.file and test.cause.startswith(test.file):
            yield from self.wrapped(f"{Path(test.file).name} {test.message}", "  ")
            yield from (((f"      {self.say(row)}", ""),) for row in test.rows)
            return
        yield from self._what_happened(test)
        for picture in filter(None, (test.sequence, test.timeline) if timeline else ()):
            yield ()
            yield from (((f"     {line}".rstrip(), ""),) for line in picture.splitlines())
        yield from self._output(test)
        yield ()
        if test.notes:
            yield from self._mistake(test.notes[0], test.exercise.partition("/")[0])
        yield (("  Again  ", "dim"), (self._again(test), ""))
        if test.trace:
            yield ()
            yield from (((self.say(line), ""),) for line in test.trace.splitlines())

    def _headline(self, test: TestResult) -> Iterator[Line]:
        found = f"found in world {test.world} of {test.worlds}" if test.worlds > 1 else ""
        requirement = test.requirement
        room = self.width - len(found) - 5
        if found and columns(requirement) > room and ": " in requirement:
            requirement = requirement.partition(": ")[0]
        lines = textwrap.wrap(requirement, max(room, 30)) or [test.test]
        yield self.sides([("✗ ", "bad"), (lines[0], "bold")], found, "dim")
        for line in lines[1:]:
            yield ((f"  {self.say(line)}", "bold"),)
        if test.advisory:
            advisory = (
                "Advice: asyncio never takes this order of steps, so your program works today; "
                "it leans on asyncio's order in a way that is easily lost."
            )
            yield from self.wrapped(advisory, "  ")

    def _what_happened(self, test: TestResult) -> Iterator[Line]:
        told = [note for note in test.notes if note.certain]
        before = None
        for note in told[:_MOST_NOTES]:
            yield from self.wrapped(_sentence(note.message), "  ")
            if note.file and note.line and (note.file, note.line) != before:
                yield self._source(note.file, note.line)
            before = note.file, note.line
            yield from (((f"     {self.say(row)}", ""),) for row in note.rows)
        if len(told) > _MOST_NOTES:
            yield ((f"  and {len(told) - _MOST_NOTES} more of the kind", "dim"),)
        if test.message:
            if told:
                yield ()
            yield from self.wrapped(test.message, "  ")
        yield from (((f"     {self.say(row)}", ""),) for row in test.rows)

    def _source(self, file: str, line: int) -> Line:
        import linecache

        source = linecache.getline(file, line).strip()
        return ((f"     {self.shown(file)}:{line}   ", "dim"), (self.say(source), ""))

    def _mistake(self, note: Note, module: str) -> Iterator[Line]:
        section = mistakes.find(note.name)
        sentence = f"{note.name}: {section.sentence}" if section else f"{note.name}."
        lines = list(self.wrapped(sentence, "  "))
        head = lines[0][0][0]
        yield (("  ", ""), (note.name, "name"), (head[2 + len(note.name) :], ""))
        yield from lines[1:]
        if section is None:
            return
        where = f"lessons/mistakes.md, {section.name}"
        if found := section.where_to_read(module):
            where = 'lessons/{}, "{}"'.format(*found)
        read = f"course explain {section.name}"
        gap = "      " if len(read) + len(where) + 15 <= self.width else "\n         "
        yield from self._pair("  Read   ", f"{read}{gap}{where}")

    def _pair(self, label: str, text: str) -> Iterator[Line]:
        first, *more = text.split("\n")
        yield ((label, "dim"), (self.say(first), ""))
        yield from (((f"         {self.say(line.strip())}", ""),) for line in more)

    def _output(self, test: TestResult) -> Iterator[Line]:
        lines = test.output.rstrip().splitlines()
        if not lines:
            return
        yield ()
        yield (("  printed in this world", "dim"),)
        shown = lines
        if len(lines) > _MOST_OUTPUT_LINES:
            half = _MOST_OUTPUT_LINES // 2
            left_out = f"… {len(lines) - 2 * half} lines more …"
            shown = [*lines[:half], left_out, *lines[-half:]]
        printer = Printer(self.encoding)
        for line in shown:
            yield ((f"     {printer.cut(self.say(line), self.width - 5)}", ""),)

    def _again(self, test: TestResult) -> str:
        grader = self.root / test.grader
        target = f"{_as_typed(self.shown(grader))}::{test.test}"
        command = f"pytest {shlex.quote(target)}{self.options}"
        return f"{command} --replay {test.token}" if test.token else command


def plain(lines: Iterable[Line]) -> str:
    """Lines without styles."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def _short(exercise: str) -> str:
    module, _, name = exercise.partition("/")
    return f"{module.partition('_')[0]}/{name}"


def _as_typed(grader: str) -> str:
    """The short way to name a grader: exercises/03/fetch_prices."""
    folder, _, file = grader.rpartition("/")
    head, _, module = folder.rpartition("/")
    number = module.partition("_")[0]
    if not number.isdecimal():  # in an exercise's own folder, or typed in the module's
        return grader
    name = file.removesuffix(".py").removeprefix("test_")
    return "/".join(part for part in (head, number, name) if part)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."
