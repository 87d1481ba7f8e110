"""Waits for a position that is missing, and not longer than ten polls. It was rolled back, surely.

mistake: gap-in-positions
fails: test_follow_waits_for_what_is_committed_late,
    test_follow_passes_a_position_that_stays_empty, test_follow_in_a_busy_store,
    test_follow_yields_what_is_there_and_what_comes
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiosqlite

TABLE = """
    CREATE TABLE IF NOT EXISTS events (
        position INTEGER NOT NULL PRIMARY KEY,
        stream TEXT NOT NULL,
        version INT NOT NULL,
        id TEXT NOT NULL,
        type TEXT NOT NULL,
        data TEXT NOT NULL
    )
"""
REST = (
    "CREATE UNIQUE INDEX IF NOT EXISTS by_stream ON events (stream, version)",
    "CREATE UNIQUE INDEX IF NOT EXISTS by_id ON events (id)",
    "CREATE TRIGGER IF NOT EXISTS u BEFORE UPDATE ON events "
    "BEGIN SELECT RAISE(ABORT, 'append only'); END",
    "CREATE TRIGGER IF NOT EXISTS d BEFORE DELETE ON events "
    "BEGIN SELECT RAISE(ABORT, 'append only'); END",
    "CREATE TRIGGER IF NOT EXISTS p BEFORE INSERT ON events "
    "WHEN NEW.position > 0 AND NEW.position <= (SELECT max(position) FROM events) "
    "BEGIN SELECT RAISE(FAIL, 'append only'); END",
    "CREATE TRIGGER IF NOT EXISTS v BEFORE INSERT ON events "
    "WHEN NEW.version <> (SELECT count(*) + 1 FROM events WHERE stream = NEW.stream) "
    "BEGIN SELECT RAISE(ROLLBACK, 'version'); END",
    "CREATE TRIGGER IF NOT EXISTS i BEFORE INSERT ON events "
    "WHEN NEW.id IN (SELECT id FROM events) BEGIN SELECT RAISE(ROLLBACK, 'id'); END",
)


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class StoredEvent:
    position: int
    stream: str
    version: int
    id: str
    type: str
    data: Mapping[str, Any]


class WrongExpectedVersion(Exception):
    def __init__(self, stream, expected, actual):
        super().__init__(f"{stream} is at version {actual}, expected {expected}")
        self.stream = stream
        self.expected = expected
        self.actual = actual


class EventStore:
    def __init__(self, path, *, poll=1.0):
        self.path = path
        self.poll = poll
        self.lock = asyncio.Lock()
        self.appended = asyncio.Condition()
        self.count = 0

    async def __aenter__(self):
        self.db = await aiosqlite.connect(self.path)
        try:
            await self.db.execute_fetchall("PRAGMA journal_mode=WAL")
            await self.db.execute(TABLE)
            for statement in REST:
                await self.db.execute(statement)
            await self.db.commit()
        except BaseException:
            await self.db.close()
            raise
        return self

    async def __aexit__(self, *exc):
        await self.db.close()

    async def append(self, stream, events, expected_version):
        async with self.lock:
            try:
                return await self._append(stream, events, expected_version)
            finally:
                await self.db.rollback()
                async with self.appended:
                    self.count += 1
                    self.appended.notify_all()

    async def _append(self, stream, events, expected_version):
        try:
            for offset, event in enumerate(events, 1):
                await self.db.execute(
                    "INSERT INTO events (stream, version, id, type, data) VALUES (?, ?, ?, ?, ?)",
                    (stream, expected_version + offset, event.id, event.type,
                     json.dumps(dict(event.data))),
                )  # fmt: skip
            await self.db.commit()
        except sqlite3.IntegrityError:
            await self.db.rollback()
            if not (known := await self._known(events)):
                last = await self._select("WHERE stream = ? ORDER BY version DESC LIMIT 1", stream)
                actual = last[0].version if last else 0
                raise WrongExpectedVersion(stream, expected_version, actual) from None
            return known
        return await self._known(events)

    async def _known(self, events):
        found = []
        for event in events:
            found += await self._select("WHERE id = ?", event.id)
        return found

    async def _select(self, where, *values):
        sql = f"SELECT position, stream, version, id, type, data FROM events {where}"
        rows = await self.db.execute_fetchall(sql, values)
        return [StoredEvent(*row[:5], json.loads(row[5])) for row in rows]

    async def read_stream(self, stream, from_version=1):
        async with self.lock:
            return await self._select(
                "WHERE stream = ? AND version >= ? ORDER BY version", stream, from_version
            )

    async def read_all(self, after=0, limit=None):
        limit = -1 if limit is None else limit
        async with self.lock:
            return await self._select("WHERE position > ? ORDER BY position LIMIT ?", after, limit)

    async def subscribe(self, after=0):
        while True:
            count = self.count
            events = await self.read_all(after)
            for event in events:
                yield event
                after = event.position
            if events:
                continue
            try:
                async with asyncio.timeout(self.poll), self.appended:
                    await self.appended.wait_for(lambda seen=count: self.count != seen)
            except TimeoutError:
                pass


async def follow(log, after=0, *, poll=1.0):
    patience = 10
    while True:
        for event in await log.read(after):
            if event.position > after + 1 and patience > 0:
                break
            after, patience = event.position, 10
            yield event
        else:
            patience = 11
        patience -= 1
        await asyncio.sleep(poll)
