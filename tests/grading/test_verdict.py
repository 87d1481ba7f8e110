"""The only place where a score is computed: what earns points, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.grading import verdict
from autograder.grading.results import Note, Status, TestResult
from autograder.grading.verdict import Expected, Run, verdict_of

EXERCISE = "03_async_await/double"
ONE, TWO = "test_double.py::test_one", "test_double.py::test_two"


def run(*statuses: Status, **more: object) -> Run:
    """An exercise with two tests, worth 2 points and 1, and what became of the first ones."""
    made = Run(EXERCISE, "03 async/await", file="double.py")
    made.expected = [Expected(ONE, "test_one", "One", 2.0), Expected(TWO, "test_two", "Two", 1.0)]
    for expected, status in zip(made.expected, statuses, strict=False):
        result = TestResult(EXERCISE, expected.test, expected.nodeid, status=status)
        made.results[expected.nodeid] = result
        if status == "passed":
            made.held.add(expected.nodeid)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def test_full_marks_are_the_sum_of_what_the_graders_state() -> None:
    found = verdict_of([run("passed", "passed")], submission="ada")
    assert (found.score, found.max_score, found.status) == (3.0, 3.0, "passed")
    assert found.full_marks
    assert found.reason == ""


def test_a_failure_costs_its_points_and_says_why() -> None:
    made = run("passed", "failed")
    made.results[TWO].message = "2 items sold, 1 was in stock"
    made.results[TWO].notes = [Note("check-then-act", "seen")]
    found = verdict_of([made], submission="ada")
    test = found.exercises[0].tests[1]
    assert (found.score, found.status, found.full_marks) == (2.0, "failed", False)
    assert (test.score, test.reason) == (0.0, "2 items sold, 1 was in stock")
    assert test.mistake == "check-then-act"


def test_a_test_that_did_not_run_has_failed() -> None:
    made = run("passed", ended="The program ended the process, with exit status 0, in test_two.")
    found = verdict_of([made], submission="ada")
    assert [test.status for test in found.exercises[0].tests] == ["passed", "missing"]
    assert found.score == 2.0
    assert "exit status 0" in found.exercises[0].tests[1].reason


def test_a_skipped_test_has_failed() -> None:
    made = run("passed", "skipped")
    made.results[TWO].message = "no reason"
    found = verdict_of([made], submission="ada")
    assert found.exercises[0].tests[1].status == "failed"
    assert "skipped: no reason" in found.exercises[0].tests[1].reason


def test_a_report_of_success_alone_earns_nothing() -> None:
    made = run("passed", "passed", held={ONE})
    found = verdict_of([made], submission="ada")
    assert found.score == 2.0
    assert "did not return" in found.exercises[0].tests[1].reason


def test_without_the_last_check_nothing_counts() -> None:
    made = run("passed", "passed", ended="The process ended before the grader could check.")
    found = verdict_of([made], submission="ada")
    assert (found.score, found.status, found.voided) == (0.0, "failed", False)


def test_tampering_voids_every_score() -> None:
    made = run("passed", "passed", tampering="the untouched stub passed test_one.")
    found = verdict_of([run("passed", "passed"), made], submission="ada")
    assert (found.score, found.max_score) == (0.0, 6.0)
    assert (found.status, found.voided) == ("voided", True)
    assert "the untouched stub passed test_one" in found.reason
    assert {one.score for one in found.exercises} == {0.0}
    assert {test.score for one in found.exercises for test in one.tests} == {0.0}


def test_a_stub_is_not_begun() -> None:
    found = verdict_of([run("not-begun", "not-begun")], submission="ada")
    assert (found.score, found.status) == (0.0, "not-begun")


def test_nothing_to_grade_is_not_full_marks() -> None:
    assert not verdict_of([], submission="ada").full_marks


def test_a_verdict_is_kept_whole(tmp_path: Path) -> None:
    found = verdict_of([run("passed", "failed")], submission="ada", isolation=["none"])
    verdict.write(found, tmp_path / "deep" / "verdict.json")
    assert verdict.read(tmp_path / "deep" / "verdict.json") == found
    assert [*verdict.to_dict(found)][:2] == ["score", "max_score"]


def test_another_version_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "verdict.json"
    file.write_text('{"version": 99}')
    with pytest.raises(ValueError, match="version 99"):
        verdict.read(file)
