"""The learner's event store, had it been on PostgreSQL: its subscription is their `follow`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack
from importlib import import_module
from types import ModuleType
from typing import Any

from .postgres_log import PostgresLog

_HISTORY_STAYS = """
CREATE FUNCTION history_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'what has happened stays'; END $$;
CREATE TRIGGER history_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION history_stays();
"""
_COLUMNS = "position, stream, version, id, type, data"
_STORED = f"SELECT {_COLUMNS} FROM events WHERE id = ANY($1) ORDER BY position"
_VERSION = "SELECT coalesce(max(version), 0) FROM events WHERE stream = $1"
_INSERT = (
    "INSERT INTO events (stream, version, id, type, data) VALUES ($1, $2, $3, $4, $5) "
    f"RETURNING {_COLUMNS}"
)
_STREAM = f"SELECT {_COLUMNS} FROM events WHERE stream = $1 AND version >= $2 ORDER BY version"
_ALL = f"SELECT {_COLUMNS} FROM events WHERE position > $1 ORDER BY position LIMIT $2"


class PostgresStore:
    """What EventStore promises, by transactions that run side by side, and so with gaps.

    ``submission`` has the classes, and `follow`. ``poll`` is in seconds.
    """

    def __init__(self, submission: ModuleType, address: str, *, poll: float) -> None:
        self._given = submission
        self._address = address
        self._poll = poll
        self._log = PostgresLog(submission, address)
        self._open = AsyncExitStack()

    async def __aenter__(self) -> PostgresStore:
        asyncpg: Any = import_module("asyncpg")
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._log)
            self._pool = await stack.enter_async_context(asyncpg.create_pool(self._address))
            await self._pool.execute(_HISTORY_STAYS)
            self._collision = asyncpg.UniqueViolationError
            self._open = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._open.aclose()

    async def append(self, stream: str, events: Sequence[Any], expected_version: int) -> list[Any]:
        """Add events at the end of a stream that is at `expected_version`."""
        while True:
            try:
                return await self._append(stream, events, expected_version)
            except self._collision:
                pass  # Somebody was faster: look again at what is there now.

    async def _append(self, stream: str, events: Sequence[Any], expected: int) -> list[Any]:
        # One snapshot for both questions: else the same append may be done between them, and then
        # "its events are not there" and "its version is" are both seen.
        both = {"isolation": "repeatable_read"}
        async with self._pool.acquire() as connection, connection.transaction(**both):
            # Has its number before it has a position: `PostgresLog.settled` relies on that.
            await connection.execute("SELECT pg_current_xact_id()")
            stored = await connection.fetch(_STORED, [event.id for event in events])
            if stored:
                return self._events(stored)
            actual = await connection.fetchval(_VERSION, stream)
            if actual != expected:
                raise self._given.WrongExpectedVersion(stream, expected, actual)
            rows = [
                await connection.fetchrow(
                    _INSERT, stream, version, event.id, event.type, json.dumps(event.data)
                )
                for version, event in enumerate(events, expected + 1)
            ]
            return self._events(rows)

    async def read_stream(self, stream: str, from_version: int = 1) -> list[Any]:
        """The events of a stream by version, from this one on."""
        return self._events(await self._pool.fetch(_STREAM, stream, from_version))

    async def read_all(self, after: int = 0, limit: int | None = None) -> list[Any]:
        """What is committed and above a position, the lowest first."""
        return self._events(await self._pool.fetch(_ALL, after, limit))

    def subscribe(self, after: int = 0) -> AsyncIterator[Any]:
        """The events above a position, none missed."""
        events: AsyncIterator[Any] = self._given.follow(self._log, after, poll=self._poll)
        return events

    async def execute(self, sql: str) -> None:
        """What somebody types into a console of their own."""
        await self._pool.execute(sql)

    def _events(self, rows: Iterable[Any]) -> list[Any]:
        return [self._given.StoredEvent(*tuple(row)[:5], json.loads(row["data"])) for row in rows]
