"""Gradescope's `results.json`. Source: Gradescope's documentation, "Autograder specifications"."""

from __future__ import annotations

import json
from typing import Any

from autograder.grading.verdict import ExerciseVerdict, TestVerdict, Verdict

from . import Report
from .words import cut, message

_MOST_OUTPUT = 20_000


def render(verdict: Verdict) -> Report:
    """The report."""
    return Report({"gradescope.json": json.dumps(content(verdict), indent=1, ensure_ascii=False)})


def content(verdict: Verdict) -> dict[str, Any]:
    """The report as data; what the submission printed is for instructors only."""
    said = [verdict.reason, *(f"Ignored: {one['path']}: {one['why']}" for one in verdict.ignored)]
    return {
        "score": verdict.score,
        "execution_time": round(verdict.seconds),
        "output": "\n".join(filter(None, said)),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [
            _test(number, place, exercise, test)
            for number, exercise in enumerate(verdict.exercises, start=1)
            for place, test in enumerate(exercise.tests, start=1)
        ],
        "extra_data": {"max_score": verdict.max_score, "voided": verdict.voided},
    }


def _test(number: int, place: int, exercise: ExerciseVerdict, test: TestVerdict) -> dict[str, Any]:
    return {
        "score": test.score,
        "max_score": test.max_score,
        "status": "passed" if test.status == "passed" else "failed",
        "name": f"{exercise.exercise}: {test.requirement}",
        "number": f"{number}.{place}",
        "output": cut(message(test), _MOST_OUTPUT),
        "output_format": "text",
        "tags": [test.mistake] if test.mistake else [],
        "visibility": "visible",
    }
