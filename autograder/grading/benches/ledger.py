"""A bank's ledger in SQLite, seen from outside, for graders."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from .database_files import new_database

SCHEMA = (
    "CREATE TABLE accounts (name TEXT PRIMARY KEY, cents INTEGER NOT NULL)",
    "CREATE TABLE entries "
    "(payment_id TEXT NOT NULL, account TEXT NOT NULL, cents INTEGER NOT NULL)",
    "CREATE TABLE applied (payment_id TEXT PRIMARY KEY)",
)


def make_ledger(path: Path) -> Path:
    """An empty ledger in which readers do not wait for writers."""
    return new_database(path, SCHEMA)


class Ledger:
    """One ledger, copied from a template."""

    def __init__(self, template: Path, path: Path, *accounts: str) -> None:
        shutil.copyfile(template, path)
        self.path = path
        self.open(*accounts)

    def open(self, *accounts: str) -> None:
        """Add accounts, which have nothing yet."""
        with closing(sqlite3.connect(self.path)) as connection:
            for account in accounts:
                connection.execute("INSERT INTO accounts VALUES (?, 0)", (account,))
            connection.commit()

    def entries(self, payment_id: str) -> list[tuple[str, int]]:
        """The account and the cents of each entry for a payment."""
        return self._all("SELECT account, cents FROM entries WHERE payment_id = ?", payment_id)

    def balance(self, account: str) -> int | None:
        """An account's cents; None if there is no such account."""
        found = self._all("SELECT cents FROM accounts WHERE name = ?", account)
        return int(found[0][0]) if found else None

    def remembers(self, payment_id: str) -> bool:
        """True if its id is in `applied`."""
        return bool(self._all("SELECT 1 FROM applied WHERE payment_id = ?", payment_id))

    def _all(self, sql: str, *parameters: str) -> list[Any]:
        with closing(sqlite3.connect(self.path, timeout=0)) as eyes:
            return eyes.execute(sql, parameters).fetchall()
