"""Which kind of submission somebody means."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from .archive import Zip
from .folder import Folder, OneFile
from .gitref import Commit
from .kinds import CannotRead, Source


def open_source(typed: str, here: Path, repository: Path) -> Source:
    """The submission at a path seen from `here`, or at a ref of the course's repository.

    Raises:
        CannotRead: it is none, or it is damaged.
    """
    path = Path(os.path.normpath(here / Path(typed).expanduser()))
    try:
        if path.is_dir():
            return Folder(path)
        if path.is_file():
            if zipfile.is_zipfile(path) or path.suffix == ".zip":
                return Zip(path)
            if path.suffix == ".py":
                return OneFile(path)
            raise CannotRead(f"{typed} is neither a folder, nor a zip, nor a Python file.")
        if path.exists():
            raise CannotRead(f"{typed} is not a regular file.")
    except (OSError, ValueError) as error:
        raise CannotRead(f"{typed} cannot be read: {error}.") from None
    if typed.startswith("-"):
        raise CannotRead(f"{typed} is neither a file nor a folder here.")
    return Commit(repository, typed)
