"""The stubs as the course shipped them, whatever a learner has made of them since.

A copy of the course without history, such as the learners' edition, keeps them in `.stubs/`, a
folder shaped like `exercises/`. Elsewhere they are found in git's history. A learner may have
committed answers there, pushed them and merged newer versions of the course, so no branch and no
author tells which version is the course's own. What does is the code: in a stub, nothing that was
ever left to write works.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

FOLDER = ".stubs"
_MOST_VERSIONS = 50


@lru_cache(maxsize=128)
def shipped(root: Path, inside: str) -> bytes | None:
    """The source of a stub, or None if there is none to be found.

    `inside` is the path seen from `exercises/`. A file that never had functions to write is taken
    as it was first committed.
    """
    try:
        return (root / FOLDER / inside).read_bytes()
    except OSError:
        pass
    found = list(_versions(root, f"exercises/{inside}"))
    shapes = [_shape(source) for source in found]
    ever_to_write = frozenset[str]().union(*(to_write for to_write, _ in shapes))
    for source, (to_write, working) in zip(found, shapes, strict=True):
        if to_write and not working & ever_to_write:
            return source
    return found[-1] if found else None


def _versions(root: Path, path: str) -> Iterator[bytes]:
    """Every version that was committed, newest first."""
    # Merges that kept the learner's file hide the course's side from a simplified history.
    log = _git(root, "log", "--full-history", "--format=%H", "--", path) or b""
    for revision in log.split()[:_MOST_VERSIONS]:
        source = _git(root, "show", f"{revision.decode()}:./{path}")
        if source is not None:
            yield source


def _shape(source: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the functions still to write, and of those that work."""
    from . import promise

    try:
        found = promise.parse(source).values()
    except (SyntaxError, ValueError, RecursionError):
        return frozenset(), frozenset()
    to_write = frozenset(function.name for function in found if function.to_write)
    return to_write, frozenset(function.name for function in found) - to_write


def same_code(one: bytes, other: bytes) -> bool:
    """True if two sources differ in nothing but comments and layout."""
    try:
        return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    except (SyntaxError, ValueError, RecursionError):
        return False


def _git(root: Path, *arguments: str) -> bytes | None:
    """What git says; None if it cannot say anything."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
