"""A subscriber looks at a counter five times a second, and at the file when that has moved."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiosqlite

_SCHEMA = """
BEGIN IMMEDIATE;

CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    UNIQUE (stream, version)
);

CREATE TRIGGER IF NOT EXISTS no_update BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'what has happened has happened'); END;

CREATE TRIGGER IF NOT EXISTS no_delete BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'what has happened has happened'); END;

-- INSERT OR REPLACE deletes what is in its way, and no trigger for DELETE hears of it.
CREATE TRIGGER IF NOT EXISTS no_replace BEFORE INSERT ON events
WHEN EXISTS (
    SELECT 1 FROM events
    WHERE position = NEW.position OR id = NEW.id
       OR (stream = NEW.stream AND version = NEW.version)
)
BEGIN SELECT RAISE(ABORT, 'what has happened has happened'); END;

COMMIT;
"""
_COLUMNS = "position, stream, version, id, type, data"
_PAGE = 100


@dataclass(frozen=True)
class Event:
    """What has happened; `data` can be written as JSON."""

    id: str
    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class StoredEvent:
    """An event, and where it is: `position` in the log, `version` in its stream, both from 1."""

    position: int
    stream: str
    version: int
    id: str
    type: str
    data: Mapping[str, Any]


class WrongExpectedVersion(Exception):
    """The stream's version is `actual`, and the caller's decision was made at `expected`."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(f"{stream} is at version {actual}, expected {expected}")
        self.stream = stream
        self.expected = expected
        self.actual = actual


class Log(Protocol):
    """A store such as PostgreSQL. A position is taken when an event is inserted; the event can be
    seen when its transaction is committed. If that is rolled back, its position stays empty."""

    async def settled(self) -> int:
        """A position. Whoever has taken it, or a lower one, has committed by now, or never will."""

    async def read(self, after: int, limit: int = 100) -> Sequence[StoredEvent]:
        """What is committed and above `after`: the lowest first, and so many at most."""


class EventStore:
    """An append-only log of events in a file of SQLite. `poll`: in seconds, see rule 6."""

    def __init__(self, path: str | Path, *, poll: float = 1.0) -> None:
        self._path = path
        self._poll = poll
        self._count = 0
        # A connection has one transaction. Appends take turns, so that each has its own; reads have
        # another connection, which never sees what is not committed.
        self._turn = asyncio.Lock()
        self._open = AsyncExitStack()

    async def __aenter__(self) -> EventStore:
        async with AsyncExitStack() as stack:
            # isolation_level=None: a transaction begins where we say so, and nowhere else.
            writer = aiosqlite.connect(self._path, isolation_level=None)
            self._writer = await stack.enter_async_context(writer)
            await self._use_wal()
            await self._writer.executescript(_SCHEMA)
            self._reader = await stack.enter_async_context(aiosqlite.connect(self._path))
            self._open = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._open.aclose()

    async def _use_wal(self) -> None:
        """SQLite waits for others who write, but not for others who say this at the same moment."""
        for _ in range(100):
            try:
                # It answers with a row. Until that is fetched, it is a statement in progress.
                await self._writer.execute_fetchall("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
            await asyncio.sleep(0.05)
        raise TimeoutError(f"{self._path} is locked")

    async def append(
        self, stream: str, events: Sequence[Event], expected_version: int
    ) -> list[StoredEvent]:
        """Add one or more events at the end of a stream that is at `expected_version`."""
        async with self._turn:
            try:
                # IMMEDIATE: from here on nobody else writes, so what we see stays true. (A plain
                # BEGIN begins as a reader, and may be refused when it wants to write.)
                await self._writer.execute("BEGIN IMMEDIATE")
                stored = await self._stored(event.id for event in events)
                if not stored:  # else: the same append again
                    actual = await self._version(stream)
                    if actual != expected_version:
                        raise WrongExpectedVersion(stream, expected_version, actual)
                    stored = await self._insert(stream, events, expected_version)
                    await self._writer.commit()
                return stored
            finally:
                try:
                    # What has been committed stays. If we were cancelled in the commit, this waits
                    # until it is over, since a connection does one thing after another.
                    await self._writer.rollback()
                finally:  # we may be cancelled here, too, and what is committed is to be told
                    self._count += 1

    async def _stored(self, ids: Iterable[str]) -> list[StoredEvent]:
        wanted = json.dumps(list(ids))
        rows = await self._writer.execute_fetchall(
            f"SELECT {_COLUMNS} FROM events "
            "WHERE id IN (SELECT value FROM json_each(?)) ORDER BY position",
            (wanted,),
        )
        return _events(rows)

    async def _version(self, stream: str) -> int:
        sql = "SELECT coalesce(max(version), 0) FROM events WHERE stream = ?"
        [(version,)] = await self._writer.execute_fetchall(sql, (stream,))
        return int(version)

    async def _insert(
        self, stream: str, events: Sequence[Event], version: int
    ) -> list[StoredEvent]:
        rows: list[Any] = []
        for number, event in enumerate(events, version + 1):
            row = (stream, number, event.id, event.type, json.dumps(event.data))
            rows += await self._writer.execute_fetchall(
                "INSERT INTO events (stream, version, id, type, data) VALUES (?, ?, ?, ?, ?) "
                f"RETURNING {_COLUMNS}",
                row,
            )
        return _events(rows)

    async def read_stream(self, stream: str, from_version: int = 1) -> list[StoredEvent]:
        """The events of a stream by version, from this one on; [] if there are none."""
        return _events(
            await self._reader.execute_fetchall(
                f"SELECT {_COLUMNS} FROM events WHERE stream = ? AND version >= ? ORDER BY version",
                (stream, from_version),
            )
        )

    async def read_all(self, after: int = 0, limit: int | None = None) -> list[StoredEvent]:
        """The events above a position, the lowest first, and at most so many."""
        return _events(
            await self._reader.execute_fetchall(
                f"SELECT {_COLUMNS} FROM events WHERE position > ? ORDER BY position LIMIT ?",
                (after, -1 if limit is None else limit),
            )
        )

    async def subscribe(self, after: int = 0) -> AsyncIterator[StoredEvent]:
        """The events above a position: those that are there, and then those that come.

        There is no moment at which it changes from reading to listening, and so none in which an
        event could get lost: it always reads, and is only told when to do so again.
        """
        while True:
            count = self._count  # before we look
            page = await self.read_all(after, _PAGE)
            for event in page:
                yield event
                after = event.position
            if not page:
                left = self._poll
                while self._count == count and left > 0:
                    await asyncio.sleep(min(0.2, left))
                    left -= 0.2


def _events(rows: Iterable[Any]) -> list[StoredEvent]:
    return [
        StoredEvent(position, stream, version, id, type, json.loads(data))
        for position, stream, version, id, type, data in rows
    ]


async def follow(log: Log, after: int = 0, *, poll: float = 1.0) -> AsyncIterator[StoredEvent]:
    """The events of a log above a position, none missed; `poll`: in seconds, see rule 8."""
    while True:
        # Asked first, and read then. The other way round, an event could be committed between the
        # two: not yet among those that were read, and below what is settled by now.
        settled = await log.settled()
        page = [event for event in await log.read(after) if event.position <= settled]
        for event in page:
            yield event
            after = event.position
        if not page:
            await asyncio.sleep(poll)
