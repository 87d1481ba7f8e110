"""What is solved: nothing but what passes, remembered for as long as nothing changes.

A result is kept under a digest of all that it depends on: the learner's file, its grader, what the
grader imports from its folder, the simulation and grading packages, the Python version.
"""

import hashlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from autograder.course.cache import Content, read_cache, update_cache
from autograder.course.pristine import is_pristine
from autograder.course.syllabus import Exercise, Syllabus
from autograder.grading import promise


@dataclass(frozen=True)
class Grade:
    """How far an exercise is: how many of its requirements hold, and whether it was begun."""

    passed: int
    total: int
    begun: bool = True

    @property
    def solved(self) -> bool:
        """Whether every requirement holds."""
        return self.begun and 0 < self.total == self.passed


NOT_BEGUN = Grade(0, 0, begun=False)
Grades = dict[str, Grade]  # by exercise label
GradeNow = Callable[[list[Exercise]], Grades]


def progress(syllabus: Syllabus, grade_now: GradeNow) -> Grades:
    """Return the grade of every exercise; `grade_now` is called once, for those not known yet.

    An exercise that it returns no grade for counts as begun, with nothing that holds.
    """
    known = {e.label: known_grade(syllabus.root, e) for e in syllabus.exercises}
    missing = [exercise for exercise in syllabus.exercises if known[exercise.label] is None]
    if missing:
        known.update(grade_now(missing))
    grades = {label: grade for label, grade in known.items() if grade is not None}
    remember(syllabus.root, syllabus.exercises, grades)
    return {label: grade or Grade(0, 0) for label, grade in known.items()}


def known_grade(root: Path, exercise: Exercise) -> Grade | None:
    """Return the grade of an exercise if it takes no grading to know it."""
    entry = read_cache(root)["results"].get(exercise.label)
    if isinstance(entry, dict) and entry.get("key") == key(exercise):
        return _from_entry(entry)
    return NOT_BEGUN if is_untouched(root, exercise) else None


def is_untouched(root: Path, exercise: Exercise) -> bool:
    """Whether nothing has been written yet: every file is a stub, or as the course gave it."""
    exercises = root / "exercises"
    return all(
        promise.is_untouched(root, path.relative_to(exercises).as_posix(), path)
        or (exercise.in_folder and is_pristine(root, path))
        for path in exercise.files()
    )


def remember(root: Path, graded: Iterable[Exercise], grades: Grades) -> None:
    """Keep these grades for as long as what they depend on does not change."""
    entries = {
        exercise.label: {"key": key(exercise)} | vars(grades[exercise.label])
        for exercise in graded
        if exercise.label in grades
    }

    def change(content: Content) -> None:
        content["results"].update(entries)

    if any(read_cache(root)["results"].get(label) != entry for label, entry in entries.items()):
        update_cache(root, change)


def first_unsolved(syllabus: Syllabus, grades: Grades) -> Exercise | None:
    """Return the first exercise that is not solved, or None when all are."""
    return next((e for e in syllabus.exercises if not grades[e.label].solved), None)


def key(exercise: Exercise) -> str:
    """Return a digest of all that an exercise's grade depends on."""
    folder = exercise.graders[0].parent
    own = [*exercise.files(), *exercise.graders]
    shared = folder.glob("*.py") if not exercise.in_folder else folder.rglob("*")
    strangers = {path.with_name(path.name.removeprefix("test_")) for path in folder.glob("test_*")}
    helpers = [p for p in shared if p.is_file() and _is_helper(p, own, strangers)]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return _digest([*own, *helpers], folder, f"{version} {_engine()}")


def _is_helper(path: Path, own: list[Path], strangers: set[Path]) -> bool:
    other_exercise = path in strangers or path.name.startswith("test_")
    return path not in own and not other_exercise and "__pycache__" not in path.parts


@cache
def _engine() -> str:
    package = Path(__file__).resolve().parents[1]
    folders = (package / "simulation", package / "grading")
    return _digest([path for folder in folders for path in folder.rglob("*.py")], package, "")


def _digest(paths: Iterable[Path], base: Path, text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for path in sorted(set(paths)):
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(base).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _from_entry(entry: dict[str, Any]) -> Grade | None:
    match entry:
        case {"passed": int(passed), "total": int(total), "begun": bool(begun)}:
            return Grade(passed, total, begun)
    return None
