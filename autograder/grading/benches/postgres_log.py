"""A log in PostgreSQL whose transactions run side by side, and what `follow` is given of it."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from importlib import import_module
from types import ModuleType
from typing import Any

SCHEMA = """
CREATE TABLE events (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    UNIQUE (stream, version)
)
"""
_LAST = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM events_position_seq"
_OWN = "SELECT pg_current_xact_id()::text::bigint"
_OLDEST = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_READ = (
    "SELECT position, stream, version, id, type, data FROM events "
    "WHERE position > $1 ORDER BY position LIMIT $2"
)
_INSERT = "INSERT INTO events (stream, version, id, type, data) VALUES ($1, 1, $2, $3, $4)"


class Writer:
    """A connection that inserts, and commits when it is told to."""

    def __init__(self, real: Any) -> None:
        self.real = real

    async def insert(self, order: str) -> None:
        """Begin a transaction, and take a position in it."""
        await self.real.execute("BEGIN")
        # Has its number before it has a position: that is what `PostgresLog.settled` relies on.
        await self.real.execute("SELECT pg_current_xact_id()")
        data = json.dumps({"order_id": order})
        await self.real.execute(_INSERT, f"order-{order}", f"id of {order}", "OrderPlaced", data)

    async def commit(self) -> None:
        await self.real.execute("COMMIT")

    async def roll_back(self) -> None:
        await self.real.execute("ROLLBACK")


class PostgresLog:
    """What `follow` reads. ``calls`` counts its calls; ``changed`` is set after each."""

    def __init__(self, submission: ModuleType, address: str) -> None:
        self.calls = 0
        self.changed = asyncio.Event()
        self._event = submission.StoredEvent
        self._address = address
        self._open: list[Any] = []
        self._turn = asyncio.Lock()
        self._settled = 0
        self._marks: deque[tuple[int, int]] = deque()

    async def __aenter__(self) -> PostgresLog:
        self._real = await self._connect()
        await self._real.execute(SCHEMA)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for connection in self._open:
            await connection.close()

    async def _connect(self) -> Any:
        asyncpg: Any = import_module("asyncpg")
        self._open.append(await asyncpg.connect(self._address))
        return self._open[-1]

    async def writer(self) -> Writer:
        """One more connection, of somebody who inserts."""
        return Writer(await self._connect())

    # -- what a learner is given ------------------------------------------------------------------

    async def settled(self) -> int:
        """A position. Whoever has taken it, or a lower one, has committed by now, or never will.

        Transactions are numbered as they begin to write. Whoever has taken a position up to `last`
        has a lower number than one that begins now; once nobody older than that is running, all up
        to `last` is settled. (It has to be a number of our own: pg_snapshot_xmax is the next one
        after those that have *ended*, and says nothing of those that run.)
        """
        async with self._turn:
            last = await self._real.fetchval(_LAST)
            if last > (self._marks[-1][1] if self._marks else self._settled):
                self._marks.append((await self._real.fetchval(_OWN), last))
            oldest = await self._real.fetchval(_OLDEST)
            while self._marks and self._marks[0][0] <= oldest:
                self._settled = self._marks.popleft()[1]
            self._answered()
            return self._settled

    async def read(self, after: int, limit: int = 100) -> list[Any]:
        """What is committed and above `after`: the lowest first, and so many at most."""
        async with self._turn:
            rows = await self._real.fetch(_READ, after, limit)
        self._answered()
        return [self._event(*tuple(row)[:5], json.loads(row["data"])) for row in rows]

    def _answered(self) -> None:
        self.calls += 1
        self.changed.set()
