"""Which kind of submission somebody means."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from .archive import Zip
from .folder import Folder, OneFile
from .gitref import Commit
from .kinds import CannotRead, NoSubmission, Source, Unreadable


def open_source(typed: str, here: Path, repository: Path) -> Source:
    """The submission at a path seen from `here`, or at a ref of the course's repository.

    Raises:
        NoSubmission: there is nothing of the kind.
    """
    path = Path(os.path.normpath(here / Path(typed).expanduser()))
    try:
        if path.is_dir():
            return Folder(path)
        if path.is_file():
            if zipfile.is_zipfile(path) or path.suffix == ".zip":
                return _open_zip(path)
            if path.suffix == ".py":
                return OneFile(path)
            return Unreadable(
                path.name, f"{typed} is neither a folder, nor a zip, nor a Python file."
            )
        if path.exists():
            return Unreadable(path.name, f"{typed} is not a regular file.")
    except (OSError, ValueError) as error:
        raise NoSubmission(f"{typed} cannot be read: {error}.") from None
    if typed.startswith("-"):
        raise NoSubmission(f"{typed} is neither a file nor a folder here.")
    return Commit(repository, typed)


def _open_zip(path: Path) -> Source:
    try:
        return Zip(path)
    except CannotRead as error:
        return Unreadable(path.name, str(error))
