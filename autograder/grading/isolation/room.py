"""The folder in which one exercise is graded: the trusted grader, and the learner's files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autograder.grading import stubs, tree
from autograder.grading.intake.taking import learners_files

LESSONS = ("mistakes.md",)


class Room:
    """A small course of one exercise, made for one submission and removed at the end.

    It has no solutions, no history and no other submissions. The learner's files are put into it
    and taken out again by the trusted side while the child runs.

    Attributes:
        folder: holds `course`, the small course, and nothing else that the child can see.
        graders: the files of tests, seen from `course`.
    """

    def __init__(self, root: Path, exercise: tree.Exercise) -> None:
        self.exercise = exercise
        self.folder = Path(tempfile.mkdtemp(prefix="course-")).resolve()
        self.course = self.folder / "course"
        self._learners = learners_files(root, exercise)
        try:
            self._furnish(root)
        except BaseException:
            self.close()
            raise

    def _furnish(self, root: Path) -> None:
        exercise = self.exercise
        module = root / "exercises" / exercise.module
        graders = tree.exercises(module)[exercise]
        self.graders = [path.relative_to(root).as_posix() for path in graders]
        given = graders if not exercise.folder else sorted((module / exercise.name).rglob("*"))
        for path in [*given, *module.glob("conftest.py")]:
            inside = path.relative_to(root / "exercises").as_posix()
            if path.is_file() and inside not in self._learners and "__pycache__" not in inside:
                self._bring(path, f"exercises/{inside}")
        for path in graders:  # compiled by pytest before: saves the time to do it again
            for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*-pytest-*.pyc"):
                self._bring(compiled, compiled.relative_to(root).as_posix())
        for lesson in (f"{exercise.module}.md", *LESSONS):
            if (root / "lessons" / lesson).is_file():
                self._bring(root / "lessons" / lesson, f"lessons/{lesson}")
        self._bring(root / "pyproject.toml", "pyproject.toml")
        self.stubs = {inside: self._stub(root, inside) for inside in self._learners}
        for inside, source in self.stubs.items():
            _write(self.course / stubs.FOLDER / inside, source)

    def _stub(self, root: Path, inside: str) -> bytes:
        """The stub as the course shipped it, else as it is in the trusted course."""
        source = stubs.shipped(root, inside)
        return source if source is not None else (root / "exercises" / inside).read_bytes()

    def _bring(self, path: Path, inside: str) -> None:
        target = self.course / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target, follow_symlinks=True)

    def put(self, files: Mapping[str, bytes]) -> None:
        """Have exactly these of the learner's files, by their paths seen from `exercises/`."""
        for inside in self._learners:
            place = self.course / "exercises" / inside
            if inside in files:
                _write(place, files[inside])
            else:
                place.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Room:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _write(place: Path, content: bytes) -> None:
    """A new file each time, so that nobody has an older one open."""
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.new")
    beside.write_bytes(content)
    beside.chmod(0o644)
    beside.replace(place)
