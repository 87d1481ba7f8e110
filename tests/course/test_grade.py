"""From the grader's results to grades."""

from pathlib import Path

import pytest

from autograder.course.grade import grade_quietly, read_grades, to_grades
from autograder.course.progress import Grade
from autograder.course.syllabus import read_syllabus
from autograder.grading import results
from autograder.grading.results import GradingFailed, Status, TestResult


def graded(name: str, *statuses: Status) -> list[TestResult]:
    """Results of the tests of one exercise."""
    return [
        TestResult(
            f"03_async_await/{name}", f"test_{number}", f"x.py::test_{number}", status=status
        )
        for number, status in enumerate(statuses)
    ]


def test_what_was_skipped_does_not_count() -> None:
    """Live tests are skipped on most machines; that costs nobody full marks."""
    [exercise] = results.by_exercise(graded("scraper", "passed", "skipped"))
    assert to_grades([exercise]) == {"03/scraper": Grade(1, 1)}
    [exercise] = results.by_exercise(graded("scraper", "skipped"))
    assert not to_grades([exercise])["03/scraper"].solved


def test_an_exercise_begun_in_part_is_begun() -> None:
    """Only one of which nothing was begun is not."""
    tests = [*graded("scraper", "passed", "not-begun"), *graded("fetch_prices", "not-begun")]
    assert to_grades(results.by_exercise(tests)) == {
        "03/scraper": Grade(1, 2),
        "03/fetch_prices": Grade(0, 1, begun=False),
    }


def test_a_run_that_ended_early_leaves_no_grades(tmp_path: Path) -> None:
    """No file, half a file and a file of another kind are all the same."""
    file = tmp_path / "results.json"
    assert read_grades(file) == {}
    for content in ("", "[]", '{"tests": [{"exercise": 1}]}'):
        file.write_text(content, "utf-8")
        assert read_grades(file) == {}


def test_a_grader_that_breaks_gives_no_grade(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The map then shows the exercise as begun, and `course check` shows why."""

    def fail(*_: object, **__: object) -> None:
        raise GradingFailed("no results")

    monkeypatch.setattr(results, "grade", fail)
    syllabus = read_syllabus(root)
    assert grade_quietly(root, syllabus.exercises[:1]) == {}
