"""Grade exercises: pytest in a process of its own, its verdict read from a file."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from autograder.course import screen
from autograder.course.progress import Grade, Grades
from autograder.course.syllabus import Exercise
from autograder.course.warm import UNSET
from autograder.grading import results
from autograder.grading.results import ExerciseResult, GradingFailed


def grade(root: Path, exercises: list[Exercise]) -> Grades:
    """Grade with the grader's report on the screen; return the grades."""
    return _run(root, exercises, quiet=False)


def grade_quietly(root: Path, exercises: list[Exercise]) -> Grades:
    """Grade without a word, but for one line in a terminal while it takes its time."""
    waiting = sys.stderr.isatty()
    if waiting:
        names = ", ".join(exercise.title for exercise in exercises[:3])
        more = f" and {len(exercises) - 3} more" if len(exercises) > 3 else ""
        screen.passing(f"Grading {names}{more}")
    try:
        return _run(root, exercises, quiet=True)
    finally:
        if waiting:
            screen.passing("")


def pytest_arguments(root: Path, exercises: list[Exercise], file: Path) -> list[str]:
    """Return what to hand to pytest, run in `root`, to grade these and write a verdict."""
    return [*_graders(root, exercises), f"--results={file}"]


def read_grades(file: Path) -> Grades:
    """Return the grades that a run wrote; none if it ended before it could."""
    try:
        return to_grades(results.read(file))
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def to_grades(graded: Iterable[ExerciseResult]) -> Grades:
    """Return the grade of each exercise; tests that were skipped, such as live ones, are left out.

    An exercise of which every test was skipped has no requirement that holds.
    """
    grades = {}
    for result in graded:
        module, _, name = result.exercise.partition("/")
        total = sum(test.status != "skipped" for test in result.tests)
        begun = result.status != "not-begun"
        grades[f"{module.partition('_')[0]}/{name}"] = Grade(result.passed, total, begun)
    return grades


def _graders(root: Path, exercises: list[Exercise]) -> list[str]:
    graders = [path for exercise in exercises for path in exercise.graders]
    return [path.relative_to(root).as_posix() for path in graders]


def _run(root: Path, exercises: list[Exercise], *, quiet: bool) -> Grades:
    if quiet:
        try:
            return to_grades(results.grade(_graders(root, exercises), root=root))
        except GradingFailed:  # course check shows what pytest has to say
            return {}
    with tempfile.TemporaryDirectory(prefix="course-") as folder:
        file = Path(folder) / "results.json"
        command = [sys.executable, "-m", "pytest", *pytest_arguments(root, exercises, file)]
        subprocess.run(command, cwd=root, env=os.environ | UNSET, check=False)
        return read_grades(file)
