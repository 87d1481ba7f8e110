"""sqlite3 in two executors of one thread each, for writing and for reading: so jobs take turns,
and a connection stays in its thread. Positions are counted, not given by SQLite.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

COLUMNS = "position, stream, version, id, type, data"
SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS events (
        position INTEGER NOT NULL UNIQUE,
        stream TEXT NOT NULL,
        version INTEGER NOT NULL CHECK (version > 0),
        id TEXT PRIMARY KEY,
        type TEXT NOT NULL,
        data TEXT NOT NULL CHECK (json_valid(data)),
        UNIQUE (stream, version)
    )
    """,
    "CREATE TRIGGER IF NOT EXISTS no_update BEFORE UPDATE ON events "
    "BEGIN SELECT RAISE(FAIL, 'append only'); END",
    "CREATE TRIGGER IF NOT EXISTS no_delete BEFORE DELETE ON events "
    "BEGIN SELECT RAISE(FAIL, 'append only'); END",
    """
    CREATE TRIGGER IF NOT EXISTS in_order BEFORE INSERT ON events
    WHEN NEW.position <= (SELECT coalesce(max(position), 0) FROM events)
      OR NEW.id IN (SELECT id FROM events)
      OR NEW.version <> (
          SELECT coalesce(max(version), 0) + 1 FROM events WHERE stream = NEW.stream
      )
    BEGIN SELECT RAISE(ABORT, 'append only'); END
    """,
)


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
    def __init__(self, path, *, poll=1.0):
        self._path = path
        self._poll = poll
        self._waiters = set()

    async def __aenter__(self):
        self._writing, self._reading = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._writer = await self._in(self._writing, self._open)
        self._reader = await self._in(self._reading, self._connect)
        return self

    async def __aexit__(self, *exc):
        await self._in(self._writing, self._writer.close)
        await self._in(self._reading, self._reader.close)
        self._writing.shutdown()
        self._reading.shutdown()

    @staticmethod
    async def _in(executor, function, *args):
        """A job is never left alone: whoever is cancelled waits for its end first."""
        job = asyncio.get_running_loop().run_in_executor(executor, function, *args)
        cancelled = None
        while not job.done():
            try:
                await asyncio.wait([job])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            job.exception()
            raise cancelled
        return job.result()

    def _connect(self):
        return sqlite3.connect(self._path, timeout=30, isolation_level=None)

    def _open(self):
        db = self._connect()
        for _ in range(500):
            try:
                db.execute("PRAGMA journal_mode = WAL").fetchone()
                break
            except sqlite3.OperationalError:
                time.sleep(0.01)
        db.execute("BEGIN IMMEDIATE")
        for sql in SCHEMA:
            db.execute(sql)
        db.execute("COMMIT")
        return db

    async def append(self, stream, events, expected_version):
        try:
            return await self._in(
                self._writing, self._append, stream, list(events), expected_version
            )
        finally:
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def _append(self, stream, events, expected):
        db = self._writer
        db.execute("BEGIN IMMEDIATE")
        try:
            marks = ", ".join("?" * len(events))
            sql = f"SELECT {COLUMNS} FROM events WHERE id IN ({marks}) ORDER BY position"
            rows = db.execute(sql, [event.id for event in events]).fetchall()
            if not rows:
                sql = "SELECT coalesce(max(version), 0) FROM events WHERE stream = ?"
                (actual,) = db.execute(sql, [stream]).fetchone()
                if actual != expected:
                    raise WrongExpectedVersion(stream, expected, actual)
                (last,) = db.execute("SELECT coalesce(max(position), 0) FROM events").fetchone()
                rows = [
                    (last + n, stream, actual + n, event.id, event.type, json.dumps(event.data))
                    for n, event in enumerate(events, 1)
                ]
                db.executemany(f"INSERT INTO events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", rows)
            db.execute("COMMIT")
            return stored(rows)
        except BaseException:
            db.execute("ROLLBACK")
            raise

    async def _read(self, sql, *args):
        def read():
            return self._reader.execute(f"SELECT {COLUMNS} FROM events {sql}", args).fetchall()

        return stored(await self._in(self._reading, read))

    async def read_stream(self, stream, from_version=1):
        sql = "WHERE stream = ? AND version >= ? ORDER BY version"
        return await self._read(sql, stream, from_version)

    async def read_all(self, after=0, limit=None):
        sql = "WHERE position > ? ORDER BY position LIMIT ?"
        return await self._read(sql, after, -1 if limit is None else limit)

    async def subscribe(self, after=0):
        while True:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                while page := await self.read_all(after, 37):
                    for event in page:
                        yield event
                        after = event.position
                await asyncio.wait([waiter], timeout=self._poll)
            finally:
                self._waiters.discard(waiter)


def stored(rows):
    return [StoredEvent(*row[:5], json.loads(row[5])) for row in rows]


class follow:
    def __init__(self, log, after=0, *, poll=1.0):
        self.log, self.after, self.poll = log, after, poll
        self.ready = []

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self.ready:
            settled = await self.log.settled()
            if settled > self.after:
                page = await self.log.read(self.after, 1000)
                self.ready = [event for event in page if event.position <= settled]
            if not self.ready:
                await asyncio.sleep(self.poll)
        event = self.ready.pop(0)
        self.after = event.position
        return event
