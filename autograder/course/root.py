"""Where the course is: the folder that holds `exercises/` and `lessons/`."""

import os
from pathlib import Path

from autograder.course.refusal import Refusal


def is_root(folder: Path) -> bool:
    """Whether this folder holds a course: solutions alone, or a bare exercises/, are none."""
    return (folder / "exercises").is_dir() and (folder / "lessons").is_dir()


def find_root(start: Path | None = None) -> Path:
    """Return the course's folder, resolved.

    COURSE_ROOT decides if it is set. Else it is the nearest folder at or above `start` (by default
    the current one) that holds a course; else the one this package was installed from.

    Raises:
        Refusal: there is no course in any of these places.
    """
    chosen = os.environ.get("COURSE_ROOT")
    if chosen:
        folder = Path(chosen).expanduser().resolve()
        if not is_root(folder):
            raise Refusal(
                f"COURSE_ROOT is {chosen}, but that folder has no exercises/ and lessons/."
            )
        return folder
    here = (start or Path.cwd()).resolve()
    installed = Path(__file__).resolve().parents[2]
    for folder in (here, *here.parents, installed):
        if is_root(folder):
            return folder
    raise Refusal("This is not a course folder: cd to the one that holds exercises/ and lessons/.")


def answers_of(root: Path, *, mine: bool) -> Path:
    """Return the folder whose answers a program runs: the solutions, or the learner's own.

    An edition for learners has no solutions, so there it is always the learner's own.
    """
    solutions = root / "solutions"
    return root / "exercises" if mine or not solutions.is_dir() else solutions


def shown(path: Path, root: Path) -> str:
    """Return a path as a person in the current folder would type it, else as seen from the root."""
    for base in (Path.cwd(), root):
        try:
            return path.resolve().relative_to(base.resolve()).as_posix()
        except (ValueError, OSError):
            continue
    return str(path)
