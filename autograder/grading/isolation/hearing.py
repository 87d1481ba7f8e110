"""Writes down what the child tells; nothing it says is taken on trust, as to form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from autograder.grading.results import TestResult, from_dict
from autograder.grading.verdict import Expected, Run

from .channel import Forged

_MOST_TEXT = 40_000
_MOST_TESTS = 2_000
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.?)", re.DOTALL)


def clean(text: object) -> str:
    """Text that is safe to print and keep: no escape sequences or control signs, not endless."""
    said = text if isinstance(text, str) else "" if text is None else str(text)
    said = said[: 2 * _MOST_TEXT].replace("\r\n", "\n")
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _ESCAPES.sub("", said))[:_MOST_TEXT]


def write_down(message: Mapping[str, Any], run: Run, course: str) -> None:
    """Add what a message tells to a run.

    `course` is the small course's folder as the child sees it: it is taken out of all paths.

    Raises:
        Forged: it is not what the grader would say at this point.
    """
    try:
        match message["kind"]:
            case "expected":
                _expect(message, run)
            case "result":
                _result(message, run, course)
            case "end":
                _end(message, run)
            case "ready" | "started" | "graded":
                pass
            case kind:
                raise Forged(f"the grader never says {clean(kind)[:50]!r}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Forged(f"a message of the grader is not as it has to be: {clean(error)}") from None


def _expect(message: Mapping[str, Any], run: Run) -> None:
    if run.expected:
        raise Forged("the list of tests came twice")
    if len(message["tests"]) > _MOST_TESTS:
        raise Forged("the list of tests is too long")
    run.expected = [Expected(**test) for test in message["tests"]]


def _result(message: Mapping[str, Any], run: Run, course: str) -> None:
    nodeid = message["nodeid"]
    if nodeid not in {expected.nodeid for expected in run.expected}:
        raise Forged(f"there is no test {clean(nodeid)[:100]}")
    if nodeid in run.results:
        raise Forged(f"the result of {clean(nodeid)[:100]} came twice")
    if message["graded"] is None:
        return  # pytest told nothing of it: it counts as one that did not run
    result = from_dict(_cleaned(message["graded"], course))
    if not isinstance(result, TestResult) or result.nodeid != nodeid:
        raise Forged("a result is about another test than it says")
    run.results[nodeid] = result
    run.told[nodeid] = clean(message["told"]).replace(f"{course}/", "")
    if message["held"] is True:
        run.held.add(nodeid)


def _end(message: Mapping[str, Any], run: Run) -> None:
    tampered = [clean(nodeid).rpartition("::")[2] for nodeid in message["tampered"]]
    if tampered:
        names = ", ".join(tampered[:5])
        run.tampering = (
            f"After the submission had run, the untouched stub passed {names}. "
            "The submission has changed the grader, Python or a library."
        )


def _cleaned(value: Any, course: str) -> Any:
    """The same plain data, with safe text and no path of the room."""
    if isinstance(value, str):
        return clean(value).replace(f"{course}/", "")
    if isinstance(value, dict):
        return {str(key): _cleaned(one, course) for key, one in value.items()}
    if isinstance(value, list):
        return [_cleaned(one, course) for one in value]
    return value
