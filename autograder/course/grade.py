"""Grade exercises: pytest in a process of its own, its verdict read from a file."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from autograder.course import screen
from autograder.course.progress import Grade, Grades
from autograder.course.syllabus import Exercise


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


def pytest_arguments(root: Path, exercises: list[Exercise], results: Path) -> list[str]:
    """Return what to hand to pytest, run in `root`, to grade these and write a verdict."""
    graders = [path for exercise in exercises for path in exercise.graders]
    names = [path.relative_to(root).as_posix() for path in graders]
    return [*names, f"--results={results}"]


def read_grades(results: Path, exercises: list[Exercise]) -> Grades:
    """Return the grades that a run wrote, for those of `exercises` that it came to."""
    try:
        verdict = json.loads(results.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    by_name = {(e.module, e.name): e.label for e in exercises}
    grades = {}
    for entry in verdict["exercises"]:
        label = by_name.get((entry["module"], entry["name"]))
        if label:
            tests = entry["tests"]
            passed = sum(test["status"] == "passed" for test in tests)
            grades[label] = Grade(passed, len(tests), entry["begun"])
    return grades


def _run(root: Path, exercises: list[Exercise], *, quiet: bool) -> Grades:
    with tempfile.TemporaryDirectory(prefix="course-") as folder:
        results = Path(folder) / "results.json"
        command = [sys.executable, "-m", "pytest", *pytest_arguments(root, exercises, results)]
        out = subprocess.DEVNULL if quiet else None
        subprocess.run(
            command,
            cwd=root,
            stdin=subprocess.DEVNULL if quiet else None,
            stdout=out,
            stderr=out,
            check=False,
        )
        return read_grades(results, exercises)
