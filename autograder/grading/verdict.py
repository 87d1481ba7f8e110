"""The one result of grading a submission, and the only place where a score is computed.

Every report is a view of a `Verdict`. A score comes from what a test's function did, as the process
that ran it told while it ran, and from the list of tests that was known before the submission was
imported: what is not on the list earns nothing, and what is on it and did not run has failed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from .results import Note, TestResult

VERSION = 1

TestStatus = Literal["passed", "failed", "not-begun", "missing"]
Status = Literal["passed", "failed", "not-begun", "voided", "error"]


@dataclass(slots=True)
class Expected:
    """A test that has to pass, told before the submission was imported.

    Attributes:
        nodeid: pytest's name for it; test: the name alone, with parameters.
        requirement: what has to hold, as a sentence; max_score: what it is worth.
        grader: its file, seen from the course's folder; line: of the test in it, from 1.
        source: its code.
    """

    nodeid: str
    test: str
    requirement: str
    max_score: float
    grader: str = ""
    line: int = 0
    source: str = ""


@dataclass(slots=True)
class Run:
    """What the process that graded one exercise told, before anything is made of it.

    Attributes:
        exercise: "03_async_await/fetch_prices"; title: "03 async/await".
        expected: the tests, in order; results: by node id; held: node ids whose function returned.
        told: by node id, a failure as the terminal shows it.
        ended: why the process ended before it had told everything, else "".
        tampering: what shows that the grader itself was changed, else "".
        complaint: what is wrong with the files before anything is run, else "".
        seconds: real time; output: what was written to stdout and stderr; its beginning.
        resembles: True if the code is the reference solution but for names and layout.
        file: the learner's file, or folder, seen from the submission.
    """

    exercise: str
    title: str
    expected: list[Expected] = field(default_factory=list)
    results: dict[str, TestResult] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    told: dict[str, str] = field(default_factory=dict)
    ended: str = ""
    tampering: str = ""
    complaint: str = ""
    seconds: float = 0.0
    output: str = ""
    resembles: bool = False
    file: str = ""


@dataclass(slots=True)
class TestVerdict:
    """What became of one test.

    Attributes:
        reason: why it earned nothing, in words; "" for full marks.
        mistake: the name of the mistake, or None; read: where to read about it.
        file, line: the place in the learner's code, if one is known.
        again: what to type to see it again.
        told: the whole failure as the terminal shows it.
    """

    __test__ = False  # pytest would collect a class of this name

    test: str
    requirement: str
    score: float
    max_score: float
    status: TestStatus
    reason: str = ""
    mistake: str | None = None
    read: str = ""
    file: str | None = None
    line: int | None = None
    timeline: str = ""
    sequence: str = ""
    mermaid: str = ""
    token: str = ""
    again: str = ""
    told: str = ""
    output: str = ""
    seconds: float = 0.0
    grader: str = ""
    grader_line: int = 0
    source: str = ""


@dataclass(slots=True)
class ExerciseVerdict:
    """What became of one exercise; `tests` has every test that was expected."""

    exercise: str
    title: str
    file: str
    score: float
    max_score: float
    status: Status
    reason: str = ""
    seconds: float = 0.0
    resembles_reference: bool = False
    output: str = ""
    tests: list[TestVerdict] = field(default_factory=list)


@dataclass(slots=True)
class Verdict:
    """The verdict on one submission.

    Attributes:
        score, max_score: sums over the exercises, in points as the graders state them.
        status: "error" if grading itself failed, which is no fault of the submission.
        voided: True if the grader was tampered with; then every score is 0.
        reason: in a sentence, why it is not full marks; "" if it is.
        submission: its name; digest: equal for the same graded files.
        isolation: how the submission was shut in, and what could not be done here.
        ignored: what else the submission brought, as "path: why".
        graded_with: version of the course, of Python, and a digest of the graders.
    """

    score: float
    max_score: float
    status: Status
    voided: bool
    reason: str
    submission: str
    digest: str
    isolation: list[str]
    ignored: list[dict[str, str]]
    graded_with: dict[str, str]
    seconds: float
    exercises: list[ExerciseVerdict]
    version: int = VERSION

    @property
    def full_marks(self) -> bool:
        return self.status == "passed"


def verdict_of(
    runs: list[Run],
    *,
    submission: str,
    digest: str = "",
    isolation: list[str] | None = None,
    ignored: list[dict[str, str]] | None = None,
    graded_with: dict[str, str] | None = None,
    seconds: float = 0.0,
) -> Verdict:
    """Judge a submission by the runs of its exercises."""
    tampered = [run for run in runs if run.tampering]
    exercises = [_judge_exercise(run, voided=bool(tampered)) for run in runs]
    status = _status_of({exercise.status for exercise in exercises})
    score = sum(exercise.score for exercise in exercises)
    max_score = sum(exercise.max_score for exercise in exercises)
    if tampered:
        reason = f"Voided: {tampered[0].exercise}: {tampered[0].tampering}"
    else:
        reason = _why_not_full(exercises)
    return Verdict(
        score=score,
        max_score=max_score,
        status="voided" if tampered else status,
        voided=bool(tampered),
        reason=reason,
        submission=submission,
        digest=digest,
        isolation=isolation or [],
        ignored=ignored or [],
        graded_with=graded_with or {},
        seconds=round(seconds, 3),
        exercises=exercises,
    )


def no_verdict(submission: str, reason: str) -> Verdict:
    """What is written when grading itself failed: no score, and the reason."""
    return Verdict(0.0, 0.0, "error", False, reason, submission, "", [], [], {}, 0.0, [])


def _judge_exercise(run: Run, *, voided: bool) -> ExerciseVerdict:
    why_none = run.complaint
    if voided:
        why_none = run.tampering or "The grader was tampered with in another exercise."
    elif run.ended and not why_none and len(run.results) == len(run.expected):
        # All tests told something, and the last check of the grader itself did not.
        why_none = run.ended
    tests = [_judge_test(expected, run, why_none) for expected in run.expected]
    statuses = {test.status for test in tests}
    status: Status = "failed"
    if voided:
        status = "voided"
    elif tests and statuses == {"passed"}:
        status = "passed"
    elif statuses == {"not-begun"}:
        status = "not-begun"
    return ExerciseVerdict(
        exercise=run.exercise,
        title=run.title,
        file=run.file,
        score=sum(test.score for test in tests),
        max_score=sum(test.max_score for test in tests),
        status=status,
        reason=why_none or run.ended or _reason_of(status, tests),
        seconds=round(run.seconds, 3),
        resembles_reference=run.resembles,
        output=run.output,
        tests=tests,
    )


def _judge_test(expected: Expected, run: Run, why_none: str) -> TestVerdict:
    result = run.results.get(expected.nodeid)
    status, reason = _judge_result(expected, run, result)
    if why_none and status == "passed":
        status, reason = "failed", why_none
    elif why_none and result is None:
        reason = why_none
    passed = status == "passed"
    judged = TestVerdict(
        test=expected.test,
        requirement=expected.requirement,
        score=expected.max_score if passed else 0.0,
        max_score=expected.max_score,
        status=status,
        reason=reason,
        grader=expected.grader,
        grader_line=expected.line,
        source=expected.source,
    )
    if result is not None:
        judged.seconds = round(result.seconds, 4)
        judged.output = result.output
        if not passed:
            _tell(judged, result, run)
    return judged


def _judge_result(
    expected: Expected, run: Run, result: TestResult | None
) -> tuple[TestStatus, str]:
    if result is None:
        return "missing", run.ended or "This test did not run."
    if result.status == "not-begun":
        return "not-begun", "not begun"
    if result.status == "skipped":
        why = f": {result.message}" if result.message else ""
        return "failed", f"This test was skipped{why}. A skipped test earns nothing."
    if result.status == "passed":
        if expected.nodeid in run.held:
            return "passed", ""
        return "failed", "It was reported as passed, and its function did not return."
    words = [result.message, *(note.message for note in result.notes)]
    return "failed", next(filter(None, words), "failed")


def _tell(judged: TestVerdict, result: TestResult, run: Run) -> None:
    judged.told = run.told.get(result.nodeid, "")
    judged.mistake = result.mistake
    judged.file, judged.line = result.file, result.line
    judged.timeline, judged.token = result.timeline, result.token
    judged.sequence, judged.mermaid = result.sequence, result.mermaid


def _status_of(statuses: set[Status]) -> Status:
    if statuses == {"passed"}:
        return "passed"
    return "not-begun" if statuses == {"not-begun"} else "failed"


def _reason_of(status: Status, tests: list[TestVerdict]) -> str:
    if status == "passed":
        return ""
    if status == "not-begun":
        return "not begun"
    bad = sum(test.status != "passed" for test in tests)
    return f"{bad} of {len(tests)} tests do not hold." if tests else "No test ran."


def _why_not_full(exercises: list[ExerciseVerdict]) -> str:
    short = [exercise for exercise in exercises if exercise.status != "passed"]
    if not exercises:
        return "There was nothing to grade."
    if not short:
        return ""
    names = ", ".join(exercise.exercise for exercise in short[:5])
    more = f" and {len(short) - 5} more" if len(short) > 5 else ""
    return f"{len(short)} of {len(exercises)} exercises lack full marks: {names}{more}."


def to_dict(verdict: Verdict) -> dict[str, Any]:
    """Plain types only; `score` and `max_score` come first."""
    return asdict(verdict)


def from_dict(content: Mapping[str, Any]) -> Verdict:
    """What `to_dict` made of a verdict.

    Raises:
        ValueError: it is another version's, or something else.
    """
    if content.get("version") != VERSION:
        raise ValueError(f"a verdict of version {content.get('version')!r}, not {VERSION}")
    try:
        exercises = [
            ExerciseVerdict(**{**one, "tests": [TestVerdict(**test) for test in one["tests"]]})
            for one in content["exercises"]
        ]
        return Verdict(**{**content, "exercises": exercises})
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a verdict: {error}") from None


def write(verdict: Verdict, file: Path) -> None:
    """Keep a verdict in a file, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(json.dumps(to_dict(verdict), indent=1, ensure_ascii=False) + "\n", "utf-8")
    beside.replace(file)


def read(file: Path) -> Verdict:
    """What `write` kept.

    Raises:
        OSError, ValueError: there is no such file, or it holds something else.
    """
    return from_dict(json.loads(file.read_text("utf-8")))


__all__ = [
    "ExerciseVerdict",
    "Expected",
    "Note",
    "Run",
    "TestVerdict",
    "Verdict",
    "from_dict",
    "read",
    "to_dict",
    "verdict_of",
    "write",
]
