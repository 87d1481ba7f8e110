"""Turns what pytest saw of a test into what the learner is told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import mistakes, promise, tree, wording
from .complaints import BadSubmission, Complaint
from .frames import Frame, frames, learner_frames
from .results import Note, TestResult
from .submission import Copies

if TYPE_CHECKING:
    from autograder.simulation import Event, Finding, Problem

_MOST_LINES = 8
_MOST_FRAMES = 4
_MOST_WIDE = 400
_TIMELINE_ROWS = 16
_SEQUENCE_ROWS = 20
_WRONG_CALL = re.compile(r"(?P<name>[\w.]+)\(\) (?:missing|takes|got|does not)\b")
_NOT_AWAITABLE = re.compile(
    r"'await' expression|awaitable|a coroutine (?:was expected|or)|an asyncio.Future"
    r"|asynchronous context manager|'async for'|has no attribute '(?:send|throw)'"
)
_CANCELLED = (
    "it ended with CancelledError, and nobody had cancelled it: it awaited, or gathered, a task "
    "that was cancelled"
)
_LOOP_IN_LOOP = "cannot be called from a running event loop"
_DID_NOT_RAISE = re.compile(r"DID NOT RAISE (?:<class ')?(?P<name>[\w.]+)")


@dataclass(slots=True)
class Judge:
    """Fills in the result of a test that failed.

    Attributes:
        root: the course's folder; copies: the submission that was graded.
        width: columns of the terminal; encoding: of its stream, None for any.
    """

    root: Path
    copies: Copies
    width: int = 100
    encoding: str | None = None

    def judge(self, result: TestResult, error: BaseException) -> None:
        """Say what happened, and what it is called."""
        finding: Finding | None = getattr(error, "finding", None)
        if finding is not None:
            self._add_world(result, finding)
            error = finding.error or error
        problem = getattr(error, "problem", None)  # a plain test was stuck
        if problem is not None:
            result.notes = [_note_of(problem)]
        raised = problem is None and (finding is None or finding.error is not None)
        complaint = self._complaint(error, raised)
        if complaint is not None:
            result.status = "unreadable" if complaint.unreadable else "failed"
            result.message, result.rows = complaint.says, list(complaint.rows)
            result.file, result.line = complaint.file, complaint.line
            result.cause, result.complaint = complaint.cause, True
        elif self._is_not_begun(error, finding):
            result.status = "not-begun"
        else:
            result.status = "failed"
            self._tell(result, error if raised else None)
            if finding is not None:
                result.timeline = self._timeline(finding)
                self._draw_messages(result, finding)

    def _add_world(self, result: TestResult, finding: Finding) -> None:
        result.world, result.worlds = finding.world, finding.worlds
        result.token, result.advisory = finding.token, finding.shuffled
        result.output = finding.output
        result.notes = [_note_of(problem) for problem in finding.problems]
        if finding.lost:
            result.rows.append(f"Not sure: {finding.lost}.")

    def _timeline(self, finding: Finding) -> str:
        """What happened in a world, if more than one thing did."""
        tasks = {event.lane for event in finding.events} - {""}
        if finding.time == 0 and len(tasks) < 2:
            return ""
        from autograder.simulation import Timeline

        timeline = Timeline(_without_verdict(finding.events))
        return timeline.text(self.width - 5, _TIMELINE_ROWS, encoding=self.encoding)

    def _draw_messages(self, result: TestResult, finding: Finding) -> None:
        diagram = finding.sequence
        if diagram is not None:
            result.sequence = diagram.text(self.width - 5, _SEQUENCE_ROWS, encoding=self.encoding)
            result.mermaid = diagram.mermaid()

    def _complaint(self, error: BaseException, raised: bool) -> Complaint | None:
        """What is wrong with the file itself, if that is what the error comes from."""
        for leaf in leaves(error):
            if isinstance(leaf, BadSubmission):
                return leaf.complaint
        if not raised:
            return None
        text = str(error)
        odd = isinstance(error, TypeError | AttributeError)
        missing_await = odd and _NOT_AWAITABLE.search(text)
        if missing_await or (isinstance(error, RuntimeError) and _LOOP_IN_LOOP in text):
            complaint = self._about_plain_functions(error)
            if complaint is not None:
                return complaint
        if isinstance(error, TypeError):
            return self._about_a_call(error)
        return None

    def _about_plain_functions(self, error: BaseException) -> Complaint | None:
        for path in self.copies.files().values():
            written, expected = self._functions(path)
            named = [frame.function for frame in learner_frames(error, self.copies.is_learner)]
            for name in promise.names_without_await(written, expected):
                if named and name.rpartition(".")[2] not in named:
                    continue
                line = written[name].line
                says = f"has a plain `def {name}` on line {line}; the brief has `async def`."
                return Complaint(str(path), says, (), line, unreadable=False)
        return None

    def _about_a_call(self, error: BaseException) -> Complaint | None:
        """A test calls a function as the brief says, and its parameters are others."""
        found = _WRONG_CALL.match(str(error))
        places = frames(error)
        if found is None or (places and self.copies.is_learner(places[-1].file)):
            return None
        for path in self.copies.files().values():
            written, expected = self._functions(path)
            name = found["name"]
            if name in written and name in expected:
                if written[name].signature == expected[name].signature:
                    return None
                says = f"has other parameters than the brief: {error}."
                rows = (f"brief: {expected[name].signature}", f"yours: {written[name].signature}")
                return Complaint(str(path), says, rows, written[name].line, unreadable=False)
        return None

    def _functions(
        self, path: Path
    ) -> tuple[dict[str, promise.Function], dict[str, promise.Function]]:
        return promise.functions(path), promise.promised(self.root, self._inside(path))

    def _inside(self, path: Path) -> str:
        return promise.where(self.copies.exercise, path, self.copies.path)

    def _is_not_begun(self, error: BaseException, finding: Finding | None) -> bool:
        """True if the test came to a `raise NotImplementedError` of the learner's."""
        is_learner = self.copies.is_learner
        for leaf in chain(error):
            places = frames(leaf) if isinstance(leaf, NotImplementedError) else []
            if places and is_learner(places[-1].file):
                return True
        reached = (
            event.kind == "line"
            and event.text.startswith("raise NotImplementedError")
            and is_learner(event.file or "")
            for event in (finding.events if finding else ())
        )
        return any(reached) or self.is_untouched()

    def is_untouched(self) -> bool:
        """True if every file of the submission is still a stub, or as it was given."""
        files = [path for path in self.copies.files().values() if promise.functions(path)]
        stubs = [p for p in files if promise.is_untouched(self.root, self._inside(p), p)]
        return bool(stubs) and all(
            path in stubs or promise.is_as_given(self.root, self._inside(path), path)
            for path in files
        )

    def _tell(self, result: TestResult, error: BaseException | None) -> None:
        place: Frame | None = None
        if error is not None:
            name, text = self._words(error)
            result.message = "\n".join(text)
            if name is not None and name not in [note.name for note in result.notes]:
                result.notes.append(Note(name, result.message))
            elif name is not None:
                # A detector names the same mistake: its place, the assertion's words.
                result.notes.sort(key=lambda note: note.name != name)
            places = self._places(error)
            rows = dict.fromkeys(self._row(frame) for frame in places)  # recursion: a line once
            result.rows += list(rows)[-_MOST_FRAMES:]
            place = places[-1] if places else None
            if place is not None and not isinstance(error, AssertionError):
                result.cause = f"{type(error).__name__} {place.file}:{place.line}"
        seen = next((note for note in result.notes if note.line), None)
        if seen is not None:
            result.file, result.line = seen.file, seen.line
        elif place is not None:
            result.file, result.line = place.file, place.line

    def _words(self, error: BaseException) -> tuple[str | None, list[str]]:
        """The mistake that an error names, and what it says, in a few lines."""
        if isinstance(error, AssertionError):
            name, text = mistakes.split(str(error))
            said = [wording.one(line) for line in _without_introspection(text)]
            return name, _shorten(said) or ["an assertion failed"]
        if type(error).__name__ == "CancelledError":
            return None, [_CANCELLED]
        did_not = _DID_NOT_RAISE.search(str(error))
        if did_not:
            return None, [f"nothing was raised; {did_not['name']} was expected"]
        all_leaves = list(leaves(error))
        if len(all_leaves) > 1 or all_leaves[0] is not error:
            told = [_one_line(leaf) for leaf in all_leaves[:3]]
            more = [f"and {len(all_leaves) - 3} more"] if len(all_leaves) > 3 else []
            who = self._who(error)
            return None, [f"{who}an {type(error).__name__} with", *(f"  {t}" for t in told), *more]
        return None, _shorten(f"{self._who(error)}{_one_line(error)}".splitlines())

    def _who(self, error: BaseException) -> str:
        """The function of the learner's that let an error out."""
        places = learner_frames(error, self.copies.is_learner)
        return f"{places[0].function} raised " if places else ""

    def _places(self, error: BaseException) -> list[Frame]:
        """Where in the learner's code an error came by; else where in the test."""
        if isinstance(error, AssertionError) and not _raised_by(error, self.copies.is_learner):
            return []
        for leaf in leaves(error):
            places = learner_frames(leaf, self.copies.is_learner)
            if places:
                return places
        in_tests = [frame for frame in frames(error) if tree.is_grader(Path(frame.file))]
        return in_tests[-1:]

    def _row(self, frame: Frame) -> str:
        name = tree.shown(Path(frame.file), Path.cwd(), self.root)
        return f"{name}:{frame.line}   {frame.source}"


def _without_verdict(events: Sequence[Event]) -> Sequence[Event]:
    """The events without the test's own assertion at the end, which the words above have told."""
    last = events[-1] if events else None
    told = last is not None and last.kind == "raise" and last.text.startswith("AssertionError")
    return events[:-1] if told else events


def _note_of(problem: Problem) -> Note:
    rows = list(problem.rows)
    return Note(problem.name, problem.message, problem.file, problem.line, rows, certain=True)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions in a group of groups; one that is no group alone."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, those in its group, and those that it came of."""
    todo, seen = [error], set()
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, BaseExceptionGroup):
            todo += one.exceptions
        todo += [one.__cause__, one.__context__]
        yield one


def _raised_by(error: BaseException, is_learner: object) -> bool:
    places = frames(error)
    return bool(places) and callable(is_learner) and bool(is_learner(places[-1].file))


def _one_line(error: BaseException) -> str:
    text = str(error).strip()
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def _without_introspection(text: str) -> list[str]:
    """An assertion's own words; where it has none, pytest's explanation of the values."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("assert ") and number:
            return lines[:number]
    hidden = ("Use -v to get", "Full diff:", "(pytest_assertion plugin")
    return [line for line in lines if line.strip() and not line.strip().startswith(hidden)]


def _shorten(lines: list[str]) -> list[str]:
    cut = [line if len(line) <= _MOST_WIDE else f"{line[:_MOST_WIDE]}…" for line in lines]
    return cut if len(cut) <= _MOST_LINES else [*cut[: _MOST_LINES - 1], "…"]
