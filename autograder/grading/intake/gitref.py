"""A submission that is a commit in the course's repository. Nothing is checked out.

A checkout would run filters and follow attributes that the commit itself may set; the blobs alone
cannot do anything.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from .kinds import CannotRead, Entry, Kind, NoSubmission

_KINDS: dict[str, Kind] = {"100644": "file", "100755": "file", "120000": "link"}


class Commit:
    """The files of one commit."""

    def __init__(self, repository: Path, ref: str) -> None:
        self._repository = repository
        commit = _git(repository, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if commit is None:
            raise NoSubmission(f"{ref} is neither a file nor a folder here, nor a git ref.")
        self.commit = commit.decode().strip()
        self.name = ref
        prefix = (_git(repository, "rev-parse", "--show-prefix") or b"").decode().strip()
        self._below = f"{self.commit}:{prefix}"
        listed = _git(repository, "ls-tree", "-r", "-l", "-z", self._below)
        if listed is None:
            raise NoSubmission(f"The files of {ref} are not in this repository.")
        self._entries: dict[str, tuple[Entry, str]] = {}
        for row in filter(None, listed.split(b"\0")):
            about, _, path = row.partition(b"\t")
            mode, _, blob, size = about.decode().split()
            entry = Entry(_KINDS.get(mode, "other"), int(size) if size.isdecimal() else 0)
            self._entries[path.decode("utf-8", "surrogateescape")] = entry, blob

    def entry(self, path: str) -> Entry | None:
        found = self._entries.get(path)
        return found[0] if found else None

    def read(self, path: str, most: int) -> bytes:
        content = _git(self._repository, "cat-file", "blob", self._entries[path][1])
        if content is None:
            raise CannotRead(f"{path} is not in this clone of the repository.")
        return content[:most]

    def listing(self, most: int) -> Iterator[str]:
        yield from sorted(self._entries, key=lambda path: (path.count("/"), path))[:most]


def _git(folder: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, check=False, timeout=60
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
