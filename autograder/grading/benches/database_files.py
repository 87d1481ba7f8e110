"""Databases that graders give to submissions: files of SQLite."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from pathlib import Path


def new_database(path: Path, schema: Iterable[str]) -> Path:
    """A database with these tables, in which readers do not wait for writers."""
    with closing(_connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for statement in schema:
            connection.execute(statement)
        connection.commit()
    return path


@cache
def empty_database() -> bytes:
    """A file of SQLite without tables, in WAL mode: copying one is quicker than making one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        with closing(_connect(path)) as connection:
            connection.execute("PRAGMA page_size = 1024")  # there is little to be written to it
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("VACUUM")
        return path.read_bytes()


def files_of(path: Path) -> tuple[Path, ...]:
    """A database in WAL mode: the file itself, and then those beside it that may be there."""
    return path, *(path.with_name(f"{path.name}-{end}") for end in ("wal", "shm", "journal"))


def watch(path: Path) -> sqlite3.Connection:
    """A connection that looks on. As long as it is open, the last one that a submission closes need
    not tidy up the file."""
    eyes = _connect(path)
    eyes.isolation_level = None
    commits(eyes)
    return eyes


def commits(eyes: sqlite3.Connection) -> int:
    """A number that changes when anybody commits but this connection.

    Raises:
        sqlite3.OperationalError: the database is locked, and not in WAL mode.
    """
    (version,) = eyes.execute("PRAGMA data_version").fetchone()
    return int(version)


def is_locked(eyes: sqlite3.Connection) -> bool:
    """True if nobody else could write to the database of this connection at this moment."""
    try:
        eyes.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    eyes.execute("ROLLBACK")
    return False


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    # No power fails in a test, and a slow disk takes seconds.
    connection.execute("PRAGMA synchronous = OFF")
    return connection
