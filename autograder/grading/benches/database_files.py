"""Databases that graders give to submissions: files of SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path


def new_database(path: Path, schema: Iterable[str]) -> Path:
    """A database with these tables, in which readers do not wait for writers."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for statement in schema:
            connection.execute(statement)
        connection.commit()
    return path


def commits(eyes: sqlite3.Connection) -> int:
    """A number that changes when anybody commits but this connection.

    Raises:
        sqlite3.OperationalError: the database is locked, and not in WAL mode.
    """
    (version,) = eyes.execute("PRAGMA data_version").fetchone()
    return int(version)
