"""The folder tree, read as a syllabus.

A module is a numbered folder in `exercises/`. An exercise is a grader, `test_name.py`, with its
stub `name.py` beside it, or a folder with graders in it. A title is the first heading of the
lesson, and the lesson also gives the exercises their order: that of the headings that name them.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PARTS = (
    ("I", "one process", range(1, 7)),
    ("II", "many connections", range(7, 12)),
    ("III", "event-driven", range(12, 18)),
    ("IV", "in production", range(18, 21)),
)
_NUMBERED = re.compile(r"(\d+)_(\w+)")
_NUMBER_IN_TITLE = re.compile(r"^(?:module\s+)?\d+\s*[^\w\s]?\s*", re.IGNORECASE)


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
        return sorted(p for p in self.path.glob("*.py") if not _is_grader(p))


@dataclass(frozen=True)
class Module:
    """One numbered folder of exercises, with its lesson if there is one."""

    folder: Path
    lesson: Path | None
    exercises: tuple[Exercise, ...]

    @property
    def number(self) -> str:
        """As the folder writes it, "03"."""
        return self.folder.name.partition("_")[0]

    @cached_property
    def title(self) -> str:
        """The lesson's first heading without its number, else the folder's name in words."""
        for line in _text(self.lesson).splitlines():
            if line.startswith("# "):
                return _NUMBER_IN_TITLE.sub("", line[2:].strip())
        return self.folder.name.partition("_")[2].replace("_", " ")


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
    folders = [p for p in (root / "exercises").iterdir() if _NUMBERED.fullmatch(p.name)]
    folders.sort(key=lambda p: (int(p.name.partition("_")[0]), p.name))
    modules = [_read_module(folder, root / "lessons") for folder in folders if folder.is_dir()]
    return Syllabus(root, tuple(module for module in modules if module.exercises))


def _read_module(folder: Path, lessons: Path) -> Module:
    lesson = lessons / f"{folder.name}.md"
    text = _text(lesson)
    found = [*_beside_stubs(folder), *_in_folders(folder)]
    found.sort(key=lambda exercise: _place(exercise.name, text))
    return Module(folder, lesson if lesson.is_file() else None, tuple(found))


def _beside_stubs(folder: Path) -> list[Exercise]:
    stubs = {p.stem for p in folder.glob("*.py") if not _is_grader(p)}
    graders: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("test_*.py")):
        name = path.stem.removeprefix("test_")
        if name not in stubs:  # test_scraper_parsing.py also grades scraper.py
            owners = [stub for stub in stubs if name.startswith(f"{stub}_")]
            name = max(owners, key=len, default=name)
        graders.setdefault(name, []).append(path)
    return [
        Exercise(folder.name, name, folder / f"{name}.py", tuple(paths))
        for name, paths in graders.items()
    ]


def _in_folders(folder: Path) -> list[Exercise]:
    inner = {p: tuple(sorted(p.glob("test_*.py"))) for p in folder.iterdir() if p.is_dir()}
    return [Exercise(folder.name, p.name, p, paths) for p, paths in inner.items() if paths]


def _place(name: str, lesson: str) -> tuple[int, int, str]:
    """Where the lesson introduces an exercise: in a heading, else in its text, else nowhere."""
    heading = re.search(rf"^#.*\b{re.escape(name)}\b", lesson, re.MULTILINE)
    if heading:
        return (0, heading.start(), name)
    mention = re.search(rf"\b{re.escape(name)}\b", lesson)
    return (1, mention.start(), name) if mention else (2, 0, name)


def _is_grader(path: Path) -> bool:
    return path.name.startswith("test_") or path.name in {"conftest.py", "__init__.py"}


def _text(path: Path | None) -> str:
    try:
        return path.read_text("utf-8", errors="replace") if path else ""
    except OSError:
        return ""
