"""The folder tree as the grader reads it: modules, exercises, stubs and graders.

A module is a numbered folder in `exercises/`. An exercise is a stub with graders beside it
(`scraper.py`, `test_scraper.py`, `test_scraper_parsing.py`), or a folder of stubs with graders in
it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_NUMBERED = re.compile(r"\d+_\w+")
_NUMBER_IN_TITLE = re.compile(r"^(?:module\s+)?\d+\s*[^\w\s]?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Exercise:
    """What one grader, or several beside each other, grade.

    Attributes:
        module: the module's folder name, "03_async_await".
        name: "fetch_prices".
        folder: True if the learner writes several files, in a folder of that name.
    """

    module: str
    name: str
    folder: bool = False

    @property
    def key(self) -> str:
        """Names it among all exercises: "03_async_await/fetch_prices"."""
        return f"{self.module}/{self.name}"

    @property
    def short(self) -> str:
        """What a person types: "03/fetch_prices"."""
        return f"{self.module.partition('_')[0]}/{self.name}"

    @property
    def file(self) -> str:
        """The stub, or the folder of stubs, seen from a tree shaped like `exercises/`."""
        return self.key if self.folder else f"{self.key}.py"


def is_root(folder: Path) -> bool:
    """True for the folder that holds the course."""
    exercises = folder / "exercises"
    return exercises.is_dir() and any(modules(folder))


def find_root(*starts: Path) -> Path | None:
    """The nearest folder at or above one of these that holds a course."""
    for start in starts:
        for folder in (start, *start.parents):
            if is_root(folder):
                return folder
    return None


def modules(root: Path) -> Iterator[Path]:
    """The folders of all modules, in order of their numbers."""
    try:
        found = [path for path in (root / "exercises").iterdir() if _NUMBERED.fullmatch(path.name)]
    except OSError:
        return
    yield from sorted(found, key=lambda path: (int(path.name.partition("_")[0]), path.name))


def is_grader(path: Path) -> bool:
    """True for a file of tests, by its name."""
    return path.name.startswith("test_") and path.suffix == ".py"


def is_stub(path: Path) -> bool:
    """True for a file that a learner may write, by its name."""
    return path.suffix == ".py" and not is_grader(path) and path.name != "conftest.py"


def exercises(module: Path) -> dict[Exercise, list[Path]]:
    """The exercises of a module's folder, each with its graders."""
    found: dict[Exercise, list[Path]] = {}
    for grader in sorted([*module.glob("test_*.py"), *module.glob("*/test_*.py")]):
        found.setdefault(_exercise_of(grader, module), []).append(grader)
    return found


@lru_cache(maxsize=256)
def exercise_of(grader: Path, root: Path) -> Exercise | None:
    """What a grader grades; None for a file that is no grader of this course."""
    base = root / "exercises"
    if not is_grader(grader) or not grader.is_relative_to(base):
        return None
    inside = grader.relative_to(base).parts
    if len(inside) not in (2, 3) or not _NUMBERED.fullmatch(inside[0]):
        return None
    return _exercise_of(grader, base / inside[0])


def _exercise_of(grader: Path, module: Path) -> Exercise:
    if grader.parent != module:
        return Exercise(module.name, grader.parent.name, folder=True)
    name = grader.stem.removeprefix("test_")
    if not (module / f"{name}.py").is_file():
        longer = [
            stub.stem
            for stub in module.glob("*.py")
            if is_stub(stub) and name.startswith(f"{stub.stem}_")
        ]
        name = max(longer, key=len, default=name)
    return Exercise(module.name, name)


def lesson_of(root: Path, module: str) -> Path:
    """Where the lesson of a module is, whether it exists or not."""
    return root / "lessons" / f"{module}.md"


@lru_cache(maxsize=64)
def title_of(root: Path, module: str) -> str:
    """How a module is headed: its number and its lesson's title, "03 async/await"."""
    number, _, name = module.partition("_")
    title = name.replace("_", " ")
    try:
        for line in lesson_of(root, module).read_text("utf-8", errors="replace").splitlines():
            if line.startswith("# "):
                title = _NUMBER_IN_TITLE.sub("", line[2:].strip()) or title
                break
    except OSError:
        pass
    return f"{number} {title}"


def shown(path: Path, *bases: Path) -> str:
    """A path as seen from the first of these folders that it is in, else whole."""
    for base in bases:
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    return str(path)


@lru_cache(maxsize=256)
def place_in_lesson(root: Path, module: str, name: str) -> tuple[int, int, int, str]:
    """Sorts exercises as their lessons introduce them: in a heading, else in the text."""
    number = int(module.partition("_")[0])
    try:
        text = lesson_of(root, module).read_text("utf-8", errors="replace")
    except OSError:
        text = ""
    word = rf"\b{re.escape(name)}\b"
    heading = re.search(rf"^#.*{word}", text, re.MULTILINE)
    mention = heading or re.search(word, text)
    if mention is None:
        return number, 2, 0, name
    return number, 0 if heading else 1, mention.start(), name
