"""The folder tree, read as a syllabus.

A module is a numbered folder in `exercises/`. An exercise is a grader, `test_name.py`, with its
stub `name.py` beside it, or a folder with graders in it. A title is the first heading of the
lesson, and the lesson also gives the exercises their order: that of the headings that name them.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from autograder.grading import tree

PARTS = (
    ("I", "one process", range(1, 7)),
    ("II", "many connections", range(7, 12)),
    ("III", "event-driven", range(12, 18)),
    ("IV", "in production", range(18, 21)),
)


@dataclass(frozen=True)
class Exercise:
    """One exercise: what the learner writes and what grades it."""

    module: str  # the folder's name, "03_async_await"
    name: str  # "fetch_prices"
    path: Path  # the stub, or the folder of stubs; it may have been deleted
    graders: tuple[Path, ...]

    @property
    def number(self) -> str:
        """The module's number as its folder writes it, "03"."""
        return self.module.partition("_")[0]

    @property
    def label(self) -> str:
        """What a person types to mean this exercise, "03/fetch_prices"."""
        return f"{self.number}/{self.name}"

    @property
    def title(self) -> str:
        """How it is called in running text, "03 fetch_prices"."""
        return f"{self.number} {self.name}"

    @property
    def in_folder(self) -> bool:
        """Whether the learner writes several files, in a folder of their own."""
        return self.graders[0].parent == self.path

    def files(self) -> list[Path]:
        """Return the Python files that the learner writes and that exist."""
        if not self.in_folder:
            return [self.path] if self.path.is_file() else []
        return sorted(path for path in self.path.glob("*.py") if tree.is_stub(path))


@dataclass(frozen=True)
class Module:
    """One numbered folder of exercises, with its lesson if there is one.

    heading: its number and its lesson's title, "03 async/await".
    """

    folder: Path
    heading: str
    lesson: Path | None
    exercises: tuple[Exercise, ...]

    @property
    def number(self) -> str:
        """As the folder writes it, "03"."""
        return self.folder.name.partition("_")[0]


@dataclass(frozen=True)
class Syllabus:
    """Every module that is here, in order."""

    root: Path
    modules: tuple[Module, ...]

    @property
    def exercises(self) -> list[Exercise]:
        """Every exercise, in the order in which they are met."""
        return [exercise for module in self.modules for exercise in module.exercises]

    def module_of(self, exercise: Exercise) -> Module:
        """Return the module that an exercise belongs to."""
        return next(m for m in self.modules if m.folder.name == exercise.module)


def read_syllabus(root: Path) -> Syllabus:
    """Read the tree under `root`, the course's folder."""
    modules = [_read_module(root, folder) for folder in tree.modules(root) if folder.is_dir()]
    return Syllabus(root, tuple(module for module in modules if module.exercises))


def _read_module(root: Path, folder: Path) -> Module:
    lesson = tree.lesson_of(root, folder.name)
    text = lesson.read_text("utf-8", errors="replace") if lesson.is_file() else ""
    exercises = [
        Exercise(folder.name, found.name, root / "exercises" / found.file, tuple(graders))
        for found, graders in tree.exercises(folder).items()
    ]
    exercises.sort(key=lambda exercise: _place(exercise.name, text))
    heading = tree.title_of(root, folder.name)
    return Module(folder, heading, lesson if lesson.is_file() else None, tuple(exercises))


def _place(name: str, lesson: str) -> tuple[int, int, str]:
    """Where the lesson introduces an exercise: in a heading, else in its text, else nowhere."""
    heading = re.search(rf"^#.*\b{re.escape(name)}\b", lesson, re.MULTILINE)
    if heading:
        return (0, heading.start(), name)
    mention = re.search(rf"\b{re.escape(name)}\b", lesson)
    return (1, mention.start(), name) if mention else (2, 0, name)
