"""Looks, and asks for the bell when it has seen that there is nothing: only then is it needed.

What is appended while the look is on its way back rings the bell before.

mistake: wakes-too-late
fails: test_nothing_is_lost_between_catching_up_and_live
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiosqlite


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


SCHEMA = """
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
CREATE TRIGGER IF NOT EXISTS no_replace BEFORE INSERT ON events
WHEN EXISTS (
    SELECT 1 FROM events
    WHERE position = NEW.position OR id = NEW.id
       OR (stream = NEW.stream AND version = NEW.version)
)
BEGIN SELECT RAISE(ABORT, 'what has happened has happened'); END;
COMMIT;
"""
COLUMNS = "position, stream, version, id, type, data"
PAGE = 100


def _stored(row) -> StoredEvent:
    *rest, data = row
    return StoredEvent(*rest, json.loads(data))


class EventStore:
    """An append-only log of events in a file of SQLite. `poll`: in seconds, see rule 6."""

    def __init__(self, path: str | Path, *, poll: float = 1.0) -> None:
        self._path = path
        self._poll = poll
        self._lock = asyncio.Lock()
        self._bell = asyncio.Event()

    async def __aenter__(self) -> EventStore:
        async with AsyncExitStack() as stack:
            self._writer = await stack.enter_async_context(self._connect())
            await self._set_up(self._writer)
            self._reader = await stack.enter_async_context(self._connect())
            self._stack = stack.pop_all()
        return self

    def _connect(self):
        return aiosqlite.connect(self._path, isolation_level=None, timeout=60)

    async def _set_up(self, db) -> None:
        while True:
            try:
                await db.execute_fetchall("PRAGMA journal_mode = WAL")
                await db.executescript(SCHEMA)
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                await db.rollback()
                await asyncio.sleep(0.01)

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def append(
        self, stream: str, events: Sequence[Event], expected_version: int
    ) -> list[StoredEvent]:
        """Add one or more events at the end of a stream that is at `expected_version`.

        Raises WrongExpectedVersion if it is at another one.
        """
        db = self._writer
        added = False
        async with self._lock:
            try:
                await db.execute("BEGIN IMMEDIATE")
                stored = await self._find(stream, events)
                if stored:
                    return stored
                [(actual,)] = await db.execute_fetchall(
                    "SELECT coalesce(max(version), 0) FROM events WHERE stream = ?", (stream,)
                )
                if actual != expected_version:
                    raise WrongExpectedVersion(stream, expected_version, actual)
                await db.executemany(
                    "INSERT INTO events (stream, version, id, type, data) VALUES (?, ?, ?, ?, ?)",
                    [
                        (stream, version, event.id, event.type, json.dumps(dict(event.data)))
                        for version, event in enumerate(events, expected_version + 1)
                    ],
                )
                stored = await self._find(stream, events)
                added = True
                await db.commit()
                return stored
            finally:
                try:
                    await db.rollback()
                finally:
                    if added:
                        self._ring()

    async def _find(self, stream: str, events: Sequence[Event]) -> list[StoredEvent]:
        marks = ", ".join("?" for _ in events)
        rows = await self._writer.execute_fetchall(
            f"SELECT {COLUMNS} FROM events WHERE stream = ? AND id IN ({marks}) ORDER BY version",
            (stream, *(event.id for event in events)),
        )
        return [_stored(row) for row in rows]

    def _ring(self) -> None:
        self._bell.set()
        self._bell = asyncio.Event()

    async def read_stream(self, stream: str, from_version: int = 1) -> list[StoredEvent]:
        """The events of a stream by version, from this one on; [] if there are none."""
        rows = await self._reader.execute_fetchall(
            f"SELECT {COLUMNS} FROM events WHERE stream = ? AND version >= ? ORDER BY version",
            (stream, from_version),
        )
        return [_stored(row) for row in rows]

    async def read_all(self, after: int = 0, limit: int | None = None) -> list[StoredEvent]:
        """The events above a position, the lowest first, and at most so many."""
        rows = await self._reader.execute_fetchall(
            f"SELECT {COLUMNS} FROM events WHERE position > ? ORDER BY position LIMIT ?",
            (after, -1 if limit is None else limit),
        )
        return [_stored(row) for row in rows]

    async def subscribe(self, after: int = 0) -> AsyncIterator[StoredEvent]:
        """The events above a position: those that are there, and then those that come."""
        while True:
            page = await self.read_all(after, PAGE)
            for event in page:
                after = event.position
                yield event
            if not page:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll):
                        await self._bell.wait()


async def follow(log: Log, after: int = 0, *, poll: float = 1.0) -> AsyncIterator[StoredEvent]:
    """The events of a log above a position, none missed; `poll`: in seconds, see rule 8."""
    while True:
        settled = await log.settled()
        nothing = True
        for event in await log.read(after):
            if event.position > settled:
                break
            after = event.position
            nothing = False
            yield event
        if nothing:
            await asyncio.sleep(poll)
