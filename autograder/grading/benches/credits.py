"""The shop whose points a worker credits, for graders: its database, its messages, its handlers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from .database_files import new_database

SCHEMA = (
    "CREATE TABLE credits (customer TEXT NOT NULL, points INTEGER NOT NULL)",
    "CREATE TABLE processed (message_id TEXT PRIMARY KEY)",
)


def make_database(path: Path) -> Path:
    """An empty database, in which readers do not wait for writers."""
    return new_database(path, SCHEMA)


class Shop:
    """Looks at the database from outside, and says what handlers of messages do.

    A message's body is the customer's name; each earns as many points as it has letters.

    Args:
        seconds: how long a handler takes. None: until the next full second, and each a little
            longer than the one before, so that those who work at once all end at that moment.
        fails: what to do about a body the n-th time (from 1): True is a failure.
        patience: so many calls, and no handler returns any more: somebody tries for ever.
        lock_timeout: seconds that a look at the database waits for a lock, as there is one, for a
            moment, when a last connection is closed. In a world nobody else runs meanwhile: 0.
    """

    def __init__(
        self,
        database: Path,
        *,
        seconds: float | None = 0.1,
        fails: Callable[[str, int], bool] = lambda body, nth: False,
        patience: int = 200,
        now: Callable[[], float] = lambda: asyncio.get_running_loop().time(),
        lock_timeout: float = 0.0,
    ) -> None:
        self.database = database
        self.seconds = seconds
        self.calls: list[tuple[float, str]] = []
        self.at_work = 0
        self.finished = 0
        self._fails = fails
        self._patience = patience
        self._now = now
        self._lock_timeout = lock_timeout

    async def handle(self, body: bytes) -> tuple[str, int]:
        """What a worker is given as its handler."""
        customer = body.decode()
        self.calls.append((self._now(), customer))
        nth = self.called(customer)
        self.at_work += 1
        try:
            await asyncio.sleep(self._time_to_think())
        finally:
            self.at_work -= 1
        if self._fails(customer, nth):
            kind = RuntimeError if nth % 2 else LookupError  # whatever it raises, it has failed
            raise kind(f"nobody knows what {customer} has earned")
        self.finished += 1
        return customer, len(customer)

    def _time_to_think(self) -> float:
        count = len(self.calls)
        if count >= self._patience:
            return 100_000.0
        return 1.0 - self._now() % 1.0 + count * 0.0003 if self.seconds is None else self.seconds

    def called(self, customer: str) -> int:
        """How often a handler was asked about this customer."""
        return sum(1 for _, name in self.calls if name == customer)

    def times(self, customer: str) -> list[float]:
        """When it was."""
        return [time for time, name in self.calls if name == customer]

    # -- the database -----------------------------------------------------------------------------

    def credits(self) -> Counter[str]:
        """How many rows each customer has."""
        return Counter(
            customer for customer, _ in self._all("SELECT customer, points FROM credits")
        )

    def rows(self) -> list[tuple[str, int]]:
        """All rows: customer and points."""
        return self._all("SELECT customer, points FROM credits ORDER BY customer, points")

    def remembered(self) -> set[str]:
        """The ids that somebody has put into the table for them."""
        return {message_id for (message_id,) in self._all("SELECT message_id FROM processed")}

    def _all(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(self.database, timeout=self._lock_timeout)) as eyes:
            return eyes.execute(sql).fetchall()
