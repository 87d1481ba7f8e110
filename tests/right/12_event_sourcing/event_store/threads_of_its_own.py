"""sqlite3 in threads, without aiosqlite; a call is one job, and who is cancelled waits for it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol


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
    """sqlite3 in threads."""

    def __init__(self, path, *, poll=1.0):
        self._path, self._poll = path, poll
        self._write_lock, self._read_lock = asyncio.Lock(), asyncio.Lock()
        self._bell = asyncio.Event()

    async def __aenter__(self):
        def go():
            self._w = sqlite3.connect(
                self._path, isolation_level=None, timeout=60, check_same_thread=False
            )
            self._r = sqlite3.connect(
                self._path, isolation_level=None, timeout=60, check_same_thread=False
            )
            while True:
                try:
                    self._w.execute("PRAGMA journal_mode = WAL").fetchall()
                    self._w.executescript(SCHEMA)
                    return
                except sqlite3.OperationalError:
                    time.sleep(0.01)

        await asyncio.to_thread(go)
        return self

    async def __aexit__(self, *exc):
        self._w.close()
        self._r.close()

    async def append(self, stream, events, expected_version):
        async with self._write_lock:
            task = asyncio.ensure_future(
                asyncio.to_thread(self._append, stream, events, expected_version)
            )
            try:
                return await asyncio.shield(task)
            except asyncio.CancelledError:
                await asyncio.wait([task])
                raise
            finally:
                self._bell.set()
                self._bell = asyncio.Event()

    def _append(self, stream, events, expected):
        db = self._w
        db.execute("BEGIN IMMEDIATE")
        try:
            stored = self._find(stream, events)
            if stored:
                return stored
            [(actual,)] = db.execute(
                "SELECT coalesce(max(version), 0) FROM events WHERE stream = ?", (stream,)
            ).fetchall()
            if actual != expected:
                raise WrongExpectedVersion(stream, expected, actual)
            for n, e in enumerate(events, expected + 1):
                db.execute(
                    "INSERT INTO events (stream, version, id, type, data) VALUES (?, ?, ?, ?, ?)",
                    (stream, n, e.id, e.type, json.dumps(e.data)),
                )
            stored = self._find(stream, events)
            db.commit()
            return stored
        finally:
            db.rollback()

    def _find(self, stream, events):
        found = []
        for e in events:
            found += self._w.execute(
                f"SELECT {COLUMNS} FROM events WHERE stream = ? AND id = ?", (stream, e.id)
            ).fetchall()
        return [_stored(r) for r in found]

    async def _read(self, sql, *args):
        async with self._read_lock:
            rows = await asyncio.to_thread(lambda: self._r.execute(sql, args).fetchall())
        return [_stored(r) for r in rows]

    async def read_stream(self, stream, from_version=1):
        return await self._read(
            f"SELECT {COLUMNS} FROM events WHERE stream = ? AND version >= ? ORDER BY version",
            stream,
            from_version,
        )

    async def read_all(self, after=0, limit=None):
        return await self._read(
            f"SELECT {COLUMNS} FROM events WHERE position > ? ORDER BY position LIMIT ?",
            after,
            -1 if limit is None else limit,
        )

    async def subscribe(self, after=0):
        while True:
            bell = self._bell
            page = await self.read_all(after, 100)
            for event in page:
                yield event
                after = event.position
            if not page:
                with suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), self._poll)


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
