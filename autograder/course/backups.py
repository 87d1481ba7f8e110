"""Copies of the learner's files, made before a command changes them: `.course/backups/`."""

import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path


def back_up(root: Path, paths: Iterable[Path]) -> Path:
    """Copy files of the course into a new folder named after the time, and return that folder.

    A copy has the same path in it as the file has in the course. Files that do not exist are left
    out.
    """
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    number = 1
    while True:
        folder = root / ".course" / "backups" / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            number += 1
    for path in paths:
        if path.is_file():
            copy = folder / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
    return folder
