"""Exercism's `results.json`, version 3.

Source: Exercism's documentation, "Test Runners: interface".
"""

from __future__ import annotations

import json
from typing import Any

from autograder.grading.verdict import ExerciseVerdict, TestVerdict, Verdict

from . import Report
from .words import cut, message

_MOST_MESSAGE, _MOST_OUTPUT = 65_535, 500


def render(verdict: Verdict) -> Report:
    """The report."""
    return Report({"exercism.json": json.dumps(content(verdict), indent=1, ensure_ascii=False)})


def content(verdict: Verdict) -> dict[str, Any]:
    """The report as data. It is an error, with a message, if no test says anything."""
    tests = [_test(one, test) for one in verdict.exercises for test in one.tests]
    ran = any(t.status in ("passed", "failed") for one in verdict.exercises for t in one.tests)
    status = "pass" if verdict.full_marks else "fail" if ran and not verdict.voided else "error"
    made: dict[str, Any] = {"version": 3, "status": status}
    if status == "error":
        reasons = [one.reason for one in verdict.exercises if one.reason]
        made["message"] = cut("\n".join([verdict.reason, *reasons]), _MOST_MESSAGE)
    made["tests"] = tests
    return made


def _test(exercise: ExerciseVerdict, test: TestVerdict) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": f"{exercise.exercise}: {test.requirement}",
        "status": {"passed": "pass", "missing": "error"}.get(test.status, "fail"),
        "test_code": test.source,
    }
    if test.status != "passed":
        made["message"] = cut(message(test), _MOST_MESSAGE)
    if test.output:
        made["output"] = cut(test.output, _MOST_OUTPUT)
    return made
