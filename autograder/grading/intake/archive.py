"""A submission that is a zip file. It is never unpacked: single files are read from it."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from .kinds import CannotRead, Entry, Kind

_MOST_ENTRIES = 20_000
_MOST_OF_ALL = 256 * 1024 * 1024
"""Bytes that a zip may say it holds."""


class Zip:
    """The files of a zip whose names lead nowhere else."""

    def __init__(self, file: Path) -> None:
        self.name = file.name
        try:
            self._archive = zipfile.ZipFile(file)
            infos = self._archive.infolist()
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise CannotRead(f"{file.name} is not a readable zip file: {error}.") from None
        total = sum(info.file_size for info in infos)
        if len(infos) > _MOST_ENTRIES or total > _MOST_OF_ALL:
            raise CannotRead(
                f"{file.name} holds {len(infos):,} files of {total / 1e6:,.0f} MB in all; "
                f"at most {_MOST_ENTRIES:,} and {_MOST_OF_ALL / 1e6:,.0f} MB are read."
            )
        self._infos = {info.filename: info for info in infos if _is_inside(info.filename)}

    def entry(self, path: str) -> Entry | None:
        info = self._infos.get(path)
        if info is None:
            return None
        return Entry(_kind(info), info.file_size)

    def read(self, path: str, most: int) -> bytes:
        """Bytes really unpacked, whatever size the zip tells.

        Raises:
            CannotRead: it is damaged, or protected by a password.
        """
        try:
            with self._archive.open(self._infos[path]) as file:
                return file.read(most)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
            raise CannotRead(f"{path} cannot be read from {self.name}: {error}.") from None
        except zlib.error as error:
            raise CannotRead(f"{path} is damaged in {self.name}: {error}.") from None

    def listing(self, most: int) -> Iterator[str]:
        files = [name for name in self._infos if not name.endswith("/")]
        yield from sorted(files, key=lambda name: (name.count("/"), name))[:most]


def _is_inside(name: str) -> bool:
    parts = name.rstrip("/").split("/")
    return "\\" not in name and ":" not in name and not {"", ".", ".."} & set(parts)


def _kind(info: zipfile.ZipInfo) -> Kind:
    mode = info.external_attr >> 16
    if info.is_dir():
        return "other"
    if mode and stat.S_ISLNK(mode):
        return "link"
    # Zips made on Windows say nothing of the kind of file.
    return "file" if not stat.S_IFMT(mode) or stat.S_ISREG(mode) else "other"
