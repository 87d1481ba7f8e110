"""A submission that is a folder, or one file in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from .kinds import CannotRead, Entry

_LEFT_OUT = {".git", ".venv", ".venvs", "node_modules", "__pycache__", "site-packages"}
_DEEPEST = 8
_MOST_LOOKED_AT = 50_000


class Folder:
    """A folder on disk; nothing is ever opened through a link."""

    def __init__(self, root: Path, name: str = "") -> None:
        self.root = root
        self.name = name or root.name or str(root)

    def entry(self, path: str) -> Entry | None:
        """What there is; a path that leads through a link counts as a link."""
        place = self.root
        parts = path.split("/")
        for number, part in enumerate(parts):
            if part in ("", ".", ".."):
                return None
            place = place / part
            try:
                found = os.lstat(place)
            except (OSError, ValueError):
                return None
            if stat.S_ISLNK(found.st_mode) or _is_junction(place):
                return Entry("link")
            last = number == len(parts) - 1
            if last and stat.S_ISREG(found.st_mode):
                return Entry("file", found.st_size)
            if last or not stat.S_ISDIR(found.st_mode):
                return Entry("other") if last else None
        return None

    def read(self, path: str, most: int) -> bytes:
        """Opened one folder at a time, so that nothing can be swapped for a link meanwhile."""
        no_link = getattr(os, "O_NOFOLLOW", 0)
        flags = os.O_RDONLY | no_link | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        *folders, file = path.split("/")
        if os.open not in os.supports_dir_fd:
            return self._read(os.open(self.root / path, flags), path, most)
        here = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for folder in folders:
                inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | no_link, dir_fd=here)
                os.close(here)
                here = inner
            return self._read(os.open(file, flags, dir_fd=here), path, most)
        finally:
            os.close(here)

    def _read(self, descriptor: int, path: str, most: int) -> bytes:
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise CannotRead(f"{path} is not a regular file.")
            return file.read(most)

    def listing(self, most: int) -> Iterator[str]:
        """Files near the top first; never looked for behind links or very deep."""
        todo, looked, told = [(self.root, "", 0)], 0, 0
        while todo:
            folder, prefix, depth = todo.pop(0)
            try:
                inside = sorted(os.scandir(folder), key=lambda found: found.name)
            except OSError:
                continue
            for found in inside:
                looked += 1
                if looked > _MOST_LOOKED_AT or told >= most:
                    return
                if found.is_dir(follow_symlinks=False):
                    if depth < _DEEPEST and found.name not in _LEFT_OUT:
                        todo.append((Path(found.path), f"{prefix}{found.name}/", depth + 1))
                    continue
                told += 1
                yield prefix + found.name


class OneFile:
    """One file, under the name it has."""

    def __init__(self, file: Path) -> None:
        self._folder = Folder(file.parent)
        self._file = file.name
        self.name = file.name

    def entry(self, path: str) -> Entry | None:
        return self._folder.entry(path) if path == self._file else None

    def read(self, path: str, most: int) -> bytes:
        return self._folder.read(path, most)

    def listing(self, most: int) -> Iterator[str]:
        yield self._file


def _is_junction(place: Path) -> bool:
    """Windows has a second kind of link."""
    is_junction = getattr(os.path, "isjunction", None)
    return bool(is_junction and is_junction(place))
