"""The edition for learners: what they get, and nothing that gives an answer away.

It is the course without solutions, without the submissions that graders are tried on, and without
its own tests; the stubs as they were shipped, once to be written in and once in `.stubs/`, for
`course reset` and for the grader.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from autograder.course.refusal import Refusal
from autograder.course.syllabus import read_syllabus
from autograder.grading import stubs, tree
from autograder.grading.intake.taking import learners_files

INCLUDED = (
    "README.md", "LICENSE", "CHANGELOG.md", "Makefile", "pyproject.toml", "conftest.py",
    "compose.yaml", ".gitignore", ".gitattributes", ".vscode/", ".devcontainer/", "tools/",
    "lessons/", "exercises/", "notebooks/", "autograder/", ".github/workflows/grade.yml",
    ".github/workflows/comment.yml",
)  # fmt: skip
_LEFT_OUT = ("lessons/teaching.md",)
_FOR_AUTHORS = re.compile(
    r"^[ \t]*(?:#|<!--) authors(?: -->)?\n.*?^[ \t]*(?:#|<!--) /authors(?: -->)?\n",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>[^)#:\s]+)(?P<anchor>#[^)]*)?\)")


def export(root: Path, target: Path) -> int:
    """Write the edition into a folder that is not there yet, or empty; return how many files.

    Raises:
        Refusal: there is something in the folder, or a stub is nowhere to be found.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Refusal(f"{target} is not empty; name a folder that is not there yet.")
    if target.resolve().is_relative_to(root.resolve() / "exercises"):
        raise Refusal("An edition inside exercises/ would be graded; name another folder.")
    files = dict(_stubs(root))
    paths = [path for path in _files(root) if path.startswith(INCLUDED)]
    paths = [path for path in paths if path not in files and path not in _LEFT_OUT]
    for path in paths:
        _copy(root / path, target / path)
    for path, source in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(source)
    for page in target.rglob("*.md"):
        _without_dead_links(page, target)
    return len(paths) + len(files)


def _stubs(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every stub, at its place in `exercises/` and in `.stubs/`."""
    for one in read_syllabus(root).exercises:
        exercise = tree.Exercise(one.module, one.name, one.in_folder)
        for inside in learners_files(root, exercise):
            source = stubs.shipped(root, inside)
            if source is None:
                raise Refusal(
                    f"The stub exercises/{inside} is not in git's history, so what stands there "
                    "may be an answer: commit the stub first."
                )
            yield f"exercises/{inside}", source
            yield f"{stubs.FOLDER}/{inside}", source


def _files(root: Path) -> list[str]:
    """What git tracks; without git, all but caches."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root,
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        found = [path for path in root.rglob("*") if path.is_file()]
        return [
            path.relative_to(root).as_posix()
            for path in found
            if "__pycache__" not in path.parts and not path.name.endswith((".pyc", ".new"))
        ]
    names = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    return [name for name in names if name and (root / name).is_file()]


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, target)
    if path.name in ("README.md", "Makefile"):
        text = path.read_text("utf-8")
        target.write_text(_FOR_AUTHORS.sub("", text), "utf-8")


def _without_dead_links(page: Path, target: Path) -> None:
    """Links to what learners do not get become plain words."""
    text = page.read_text("utf-8")

    def plain(found: re.Match[str]) -> str:
        there = (page.parent / found["target"]).exists() or (target / found["target"]).exists()
        return found[0] if there else found["text"]

    changed = _LINK.sub(plain, text)
    if changed != text:
        page.write_text(changed, "utf-8")
