"""The stub of an exercise as the course wrote it."""

import shutil
from pathlib import Path

from autograder.course.git import GitFailed, text
from autograder.course.refusal import Refusal
from autograder.grading import stubs


def pristine(root: Path, path: Path) -> bytes | None:
    """Return the stub that the course shipped for a file in `exercises/`, or None.

    Raises:
        Refusal: it would have to be found in git's history, and git is not installed.
    """
    root, path = root.resolve(), path.resolve()
    source = stubs.shipped(root, path.relative_to(root / "exercises").as_posix())
    if source is None and shutil.which("git") is None:
        raise Refusal("This needs git, which is not installed: see https://git-scm.com.")
    return source


def is_pristine(root: Path, path: Path) -> bool:
    """Whether a file differs from the course's own in nothing but comments and layout."""
    try:
        source = pristine(root, path)
        return source is not None and stubs.same_code(source, path.read_bytes())
    except (Refusal, OSError, ValueError):  # no git, no file, not of the course
        return False


def write_as_checked_out(root: Path, path: Path, source: bytes) -> None:
    """Write a version from git's store as git itself would: with this machine's line ends."""
    try:
        crlf = text(root, "config", "core.autocrlf") == "true"
    except (GitFailed, Refusal):  # not configured, or no git
        crlf = False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(source.replace(b"\n", b"\r\n") if crlf and b"\r\n" not in source else source)
