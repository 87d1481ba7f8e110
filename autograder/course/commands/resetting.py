"""`course reset`: the stub as it was, and a backup of the answer."""

from pathlib import Path

from autograder.course import screen
from autograder.course.backups import back_up
from autograder.course.choose import choose_one
from autograder.course.git import require_repository
from autograder.course.pristine import pristine, write_as_checked_out
from autograder.course.refusal import Refusal
from autograder.course.root import find_root, shown
from autograder.course.syllabus import Exercise, read_syllabus
from autograder.grading import stubs


def reset(typed: str) -> None:
    """Restore an exercise's stub from git's history; the learner's file is kept as a backup.

    Raises:
        Refusal: no such exercise, no git, or the history holds no stub.
    """
    syllabus = read_syllabus(find_root())
    exercise = choose_one(syllabus, typed)
    if not (syllabus.root / stubs.FOLDER).is_dir():
        require_repository(syllabus.root)
    changed = False
    for path in _paths(exercise):
        changed = _reset_file(syllabus.root, path) or changed
    if not changed:
        screen.say(f"{exercise.title} is as it was given: nothing to reset.")


def _paths(exercise: Exercise) -> list[Path]:
    return exercise.files() if exercise.in_folder else [exercise.path]


def _reset_file(root: Path, path: Path) -> bool:
    """Restore one file; return whether that changed it."""
    stub = pristine(root, path)
    if stub is None:
        raise Refusal(f"The history of this clone holds no stub for {shown(path, root)}.")
    if path.is_file():
        if path.read_bytes().replace(b"\r\n", b"\n") == stub.replace(b"\r\n", b"\n"):
            return False
        backup = back_up(root, [path])
        screen.say(f"Your file is kept as   {shown(backup / path.relative_to(root), root)}")
    write_as_checked_out(root, path, stub)
    screen.say(f"The stub is back in    {shown(path, root)}")
    return True
