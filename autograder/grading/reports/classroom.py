"""GitHub Classroom: the step output `result`, base64 of compact JSON.

It is Exercism's format with `max_score`, and for each test `filename`, `line_no`, `duration` (in
seconds) and `score`. Source: the repository of classroom-resources/autograding-grading-reporter.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from autograder.grading.verdict import ExerciseVerdict, TestVerdict, Verdict

from . import Report, exercism


def render(verdict: Verdict) -> Report:
    """The report; it goes to the step's outputs where there are any."""
    made = content(verdict)
    encoded = base64.b64encode(json.dumps(made, separators=(",", ":")).encode()).decode()
    return Report(
        {"classroom.json": json.dumps(made, indent=1, ensure_ascii=False)},
        append={"GITHUB_OUTPUT": f"result={encoded}\n"},
    )


def content(verdict: Verdict) -> dict[str, Any]:
    """The report as data. `tests` is there whatever happened: the reporter reads its length."""
    made = exercism.content(verdict)
    every = [(one, test) for one in verdict.exercises for test in one.tests]
    for row, (exercise, test) in zip(made["tests"], every, strict=True):
        row |= _more(exercise, test)
        row["test_code"] = ""  # an output of a step has little room
        row["message"] = row.get("message", "")[:2000]
    return {**made, "max_score": verdict.max_score}


def _more(exercise: ExerciseVerdict, test: TestVerdict) -> dict[str, Any]:
    return {
        "filename": test.file or exercise.file,
        "line_no": test.line or 0,
        "duration": test.seconds,
        "score": test.score,
        "max_score": test.max_score,
    }
