"""What became of each test and exercise: plain data, for terminals, commands and reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Status = Literal["passed", "failed", "not-begun", "unreadable", "skipped"]


@dataclass(slots=True)
class Note:
    """A mistake that was seen: by a detector, or named by an assertion.

    `file` and `line` say where in the learner's code; `rows` are further lines, such as who waits
    for what; `certain` is True for what a detector saw.
    """

    name: str
    message: str
    file: str | None = None
    line: int | None = None
    rows: list[str] = field(default_factory=list)
    certain: bool = False


@dataclass(slots=True)
class TestResult:
    """One test of one submission.

    Attributes:
        exercise: "03_async_await/fetch_prices"; title: "03 async/await".
        submission: which submission was graded, if several were, else "".
        test: its name, with parameters; nodeid: pytest's; grader: its file, from the root.
        position: its place among all tests of the run.
        requirement: what has to hold, as the learner reads it.
        max_points: what the grader says it is worth (`verdict` computes scores); hints: in order.
        seconds: real time it took.
        message: what happened, for a failure; lines.
        notes: the mistakes seen, what a detector saw first.
        rows: the learner's lines that the message is about, or a source line and a caret.
        path: the learner's file that was graded, absolute.
        file, line: the place in the learner's code, if one is known.
        world, worlds: found in the n-th world of so many; 0 if it is not simulated.
        token: replays that world, "" if there is none; advisory: found by shuffling only.
        timeline, output: of that world.
        sequence, mermaid: its messages as a diagram in two forms, if the test tells of any.
        cause: equal for failures of one root, "" if it is not known.
        complaint: True if it is about the file itself; whatever else fails may follow from it.
        trace: the whole traceback, if `--full-trace` asked for it.
    """

    __test__ = False  # pytest would collect a class of this name

    exercise: str
    test: str
    nodeid: str
    title: str = ""
    submission: str = ""
    grader: str = ""
    position: int = 0
    requirement: str = ""
    status: Status = "passed"
    max_points: float = 1.0
    hints: list[str] = field(default_factory=list)
    seconds: float = 0.0
    message: str = ""
    notes: list[Note] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    path: str = ""
    file: str | None = None
    line: int | None = None
    world: int = 0
    worlds: int = 0
    token: str = ""
    advisory: bool = False
    timeline: str = ""
    sequence: str = ""
    mermaid: str = ""
    output: str = ""
    cause: str = ""
    complaint: bool = False
    trace: str = ""

    @property
    def mistake(self) -> str | None:
        """The mistake that the learner is told first."""
        return self.notes[0].name if self.notes else None

    @property
    def bad(self) -> bool:
        """True for everything but a pass and a skip."""
        return self.status not in ("passed", "skipped")

    def follows_from(self, earlier: TestResult) -> bool:
        """True if this failure has the same root as an earlier one."""
        if self.cause and self.cause == earlier.cause:
            return True
        if not self.notes or not earlier.notes:
            return False
        here, there = self.notes[0], earlier.notes[0]
        same_place = (here.file, here.line) == (there.file, there.line)
        return here.name == there.name and (same_place or not (here.line and there.line))


@dataclass(slots=True)
class ExerciseResult:
    """All tests of one exercise, for one submission."""

    exercise: str
    title: str
    submission: str
    path: str
    tests: list[TestResult] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.exercise.partition("/")[2]

    @property
    def passed(self) -> int:
        return sum(test.status == "passed" for test in self.tests)

    @property
    def status(self) -> Status:
        """Passed only if every test did."""
        statuses = {test.status for test in self.tests} - {"skipped"}
        if not statuses:
            return "skipped"
        if statuses <= {"passed"}:
            return "passed"
        if statuses == {"not-begun"}:
            return "not-begun"
        return "unreadable" if statuses == {"unreadable"} else "failed"

    def roots(self) -> list[TestResult]:
        """The failures to tell: one for each root, those with a name first.

        What has no name may well be a consequence of what has one.
        """
        told: list[TestResult] = []
        for test in self.tests:
            failed = test.status in ("failed", "unreadable")
            if failed and not any(test.follows_from(earlier) for earlier in told):
                told.append(test)
        complaints = [test for test in told if test.complaint]
        return complaints or sorted(told, key=lambda test: test.mistake is None)


def by_exercise(tests: Iterable[TestResult]) -> list[ExerciseResult]:
    """Tests put together by exercise and submission, in the order in which they were collected."""
    found: dict[tuple[str, str], ExerciseResult] = {}
    for test in sorted(tests, key=lambda test: test.position):
        key = test.exercise, test.submission
        if key not in found:
            found[key] = ExerciseResult(test.exercise, test.title, test.submission, test.path)
        found[key].tests.append(test)
    return list(found.values())


def to_dict(test: TestResult) -> dict[str, Any]:
    """Plain types only."""
    return asdict(test)


def from_dict(content: Mapping[str, Any]) -> TestResult:
    """What `to_dict` made of a result."""
    notes = [Note(**note) for note in content.get("notes", ())]
    return TestResult(**{**content, "notes": notes})


def write(path: Path, tests: Iterable[TestResult]) -> None:
    """Keep results in a file."""
    content = {"version": 1, "tests": [to_dict(test) for test in tests]}
    path.write_text(json.dumps(content, indent=1), "utf-8")


def read(path: Path) -> list[ExerciseResult]:
    """What `write` kept.

    Raises:
        OSError, ValueError: there is no such file, or it holds something else.
    """
    content = json.loads(path.read_text("utf-8"))
    return by_exercise(from_dict(test) for test in content["tests"])


_NO_VERDICT = (2, 3, 4)
"""pytest was stopped, failed, or was called wrongly."""


class GradingFailed(Exception):
    """pytest ended without results; the text is what it wrote."""


def grade(
    paths: Sequence[str | Path],
    *,
    root: Path,
    submission: Path | None = None,
    variants: Mapping[str, Mapping[str, Path]] | None = None,
    options: Sequence[str] = (),
    timeout: float | None = None,
) -> list[ExerciseResult]:
    """Grade in a child process.

    `paths` are what a person would type after `pytest`, seen from the course's `root`. `variants`
    gives, by exercise ("03_async_await/fetch_prices"), submissions by label; each is graded.

    Raises:
        GradingFailed: there are no results.
        subprocess.TimeoutExpired: it took longer than `timeout` seconds.
    """
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.json"
        command = [sys.executable, "-m", "pytest", *map(str, paths), f"--results={file}", *options]
        command += ["-q", "-p", "no:cacheprovider"]
        if submission is not None:
            command.append(f"--submission={submission}")
        if variants is not None:
            listed = Path(folder) / "variants.json"
            listed.write_text(json.dumps(variants, default=str), "utf-8")
            command.append(f"--variants={listed}")
        done = subprocess.run(
            command,
            cwd=root,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTEST_ADDOPTS": ""},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        try:
            if done.returncode in _NO_VERDICT:
                raise ValueError("pytest itself failed")
            return read(file)
        except (OSError, ValueError):
            said = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
            raise GradingFailed(said or f"pytest ended with status {done.returncode}") from None
