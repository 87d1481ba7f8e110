"""Nobody innocent is convicted: solutions and right answers get full marks, every time.

They go the way of a stranger's submission: taken, shut in, graded, judged. The environment variable
TIMES says how often each is graded: once if it is not set, and three times by `make innocent`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.course.cohort.running import Order, grade_order
from autograder.grading import tree
from autograder.grading.intake import take
from autograder.grading.intake.folder import Folder
from autograder.grading.isolation.limits import Limits

pytestmark = [pytest.mark.slow, pytest.mark.isolated]

ROOT = Path(__file__).resolve().parent.parent
EXERCISES = [exercise for module in tree.modules(ROOT) for exercise in tree.exercises(module)]
TIMES = int(os.environ.get("TIMES", "1"))
LIMITS = replace(Limits(), wall=120.0)  # CI's machines are busy; nothing here waits for it


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.short)
def test_right_answers_have_full_marks_every_time(exercise: tree.Exercise, tmp_path: Path) -> None:
    for number, answer in enumerate(answers(exercise)):
        folder = tmp_path / str(number)
        place(answer, folder / "exercises" / exercise.file, ROOT / "solutions" / exercise.file)
        order = Order(answer.name, take(Folder(folder), ROOT, [exercise]), (exercise,), LIMITS)
        for _ in range(TIMES):
            found = grade_order(order, ROOT).verdict
            failed = [
                f"{test.test}: {test.reason}"
                for one in found.exercises
                for test in one.tests
                if test.status != "passed"
            ]
            assert not failed, f"{answer}: {found.reason}\n" + "\n".join(failed)
            assert found.full_marks


def test_copies_are_flagged_and_nobody_else(tmp_path: Path) -> None:
    from autograder.grading import stubs
    from autograder.grading.intake.taking import learners_files
    from autograder.grading.resemblance import resembles

    wrongly, unseen = [], []
    for exercise in EXERCISES:
        wanted = learners_files(ROOT, exercise)
        solution = [(ROOT / "solutions" / inside).read_bytes() for inside in wanted]
        stub = [stubs.shipped(ROOT, inside) or b"" for inside in wanted]
        for answer in answers(exercise):
            files = [answer] if answer.is_file() else sorted(answer.glob("*.py"))
            same = resembles([file.read_bytes() for file in files], solution, stub)
            own = answer.is_relative_to(ROOT / "solutions")
            if own and not same:
                unseen.append(str(answer))
            if same and not own:
                wrongly.append(str(answer))
    assert (unseen, wrongly) == ([], [])


def answers(exercise: tree.Exercise) -> Iterator[Path]:
    """The solution, and what is in `tests/right`."""
    yield ROOT / "solutions" / exercise.file
    for path in sorted((ROOT / "tests" / "right" / exercise.key).glob("[!_.]*")):
        if path.is_dir() or path.suffix == ".py":
            yield path


def place(answer: Path, target: Path, solution: Path) -> None:
    """Lay an answer where its exercise is; of several files, those it lacks are the solution's."""
    target.parent.mkdir(parents=True)
    if answer.is_dir():
        shutil.copytree(solution, target)
        shutil.copytree(answer, target, dirs_exist_ok=True)
    else:
        shutil.copy(answer, target)
