"""The stub of an exercise as the course wrote it, found in git's history."""

import ast
from pathlib import Path

from autograder.course.git import GitFailed, blob, text
from autograder.course.refusal import Refusal
from autograder.grading import promise


def pristine(root: Path, path: Path) -> bytes | None:
    """Return the newest version of a stub in which everything is still to write, or None.

    A learner may have committed answers, pushed them and merged newer versions of the course, so no
    branch and no author tells which version is the course's own. What does is the code: in a stub,
    nothing that was ever left to write works. A file that never had such functions is taken as it
    was first committed.

    Raises:
        Refusal: git is not installed.
    """
    name = path.resolve().relative_to(root.resolve()).as_posix()
    try:
        # Merges that kept the learner's file hide the course's side from a simplified history.
        revisions = text(root, "log", "--full-history", "--format=%H", "--", name).split()
    except GitFailed:
        return None
    found = [source for revision in revisions if (source := blob(root, revision, name)) is not None]
    shapes = [_shape(source) for source in found]
    ever_to_write = frozenset[str]().union(*(to_write for to_write, _ in shapes))
    for source, (to_write, working) in zip(found, shapes, strict=True):
        if to_write and not working & ever_to_write:
            return source
    return found[-1] if found else None


def is_pristine(root: Path, path: Path) -> bool:
    """Whether a file differs from the course's own in nothing but comments and layout."""
    try:
        source = pristine(root, path)
        return source is not None and _code(source) == _code(path.read_bytes())
    except (Refusal, OSError, SyntaxError, ValueError):  # no git, no file, no Python
        return False


def write_as_checked_out(root: Path, path: Path, source: bytes) -> None:
    """Write a version from git's store as git itself would: with this machine's line ends."""
    try:
        crlf = text(root, "config", "core.autocrlf") == "true"
    except GitFailed:  # not configured
        crlf = False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(source.replace(b"\n", b"\r\n") if crlf and b"\r\n" not in source else source)


def _shape(source: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the functions still to write, and of those that work."""
    try:
        found = promise.parse(source).values()
    except (SyntaxError, ValueError):
        found = {}.values()
    to_write = frozenset(function.name for function in found if function.to_write)
    return to_write, frozenset(function.name for function in found) - to_write


def _code(source: bytes) -> str:
    return ast.dump(ast.parse(source))
