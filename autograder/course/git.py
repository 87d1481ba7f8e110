"""The few things that the course asks of git."""

import subprocess
from pathlib import Path

from autograder.course.refusal import Refusal


class GitFailed(Exception):
    """A git command ended badly; the text is its own last words."""


def git(root: Path, *arguments: str, stdin: bytes | None = None) -> bytes:
    """Run git in the course's folder and return what it printed.

    Raises:
        Refusal: git is not installed.
        GitFailed: the command ended badly.
    """
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, input=stdin, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise Refusal("This needs git, which is not installed: see https://git-scm.com.") from None
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise GitFailed(lines[-1] if lines else f"git {arguments[0]} failed")
    return done.stdout


def text(root: Path, *arguments: str) -> str:
    """Run git and return what it printed as text, stripped."""
    return git(root, *arguments).decode("utf-8", "replace").strip()


def succeeds(root: Path, *arguments: str) -> bool:
    """Run git and say whether it ended well."""
    try:
        git(root, *arguments)
    except GitFailed:
        return False
    return True


def names(root: Path, *arguments: str) -> list[str]:
    """Run a git command that ends each name with a NUL (-z) and return the names."""
    return [name for name in git(root, *arguments).decode("utf-8", "replace").split("\0") if name]


def require_repository(root: Path) -> None:
    """Refuse unless the course's folder is the top of a git repository.

    Raises:
        Refusal: it is not, or git is missing.
    """
    try:
        top = text(root, "rev-parse", "--show-toplevel")
    except GitFailed:
        top = ""
    if not top or Path(top).resolve() != root.resolve():
        raise Refusal(
            "This copy of the course is not a git clone, so its history is not here: "
            "clone the course afresh and copy your files from exercises/ into the clone."
        )


def blob(root: Path, revision: str, path: str) -> bytes | None:
    """Return the content of a file (seen from the root, with /) at a revision, if it is there."""
    try:
        return git(root, "cat-file", "blob", f"{revision}:{path}")
    except GitFailed:
        return None
