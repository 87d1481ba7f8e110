"""Nobody here updates events, so nothing has to forbid it.

mistake: mutates-history
fails: test_history_stays_as_it_is, test_killed_anywhere_an_append_is_whole
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiosqlite

SCHEMA = """
PRAGMA journal_mode = wal;
CREATE TABLE IF NOT EXISTS events(
    position INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT, version INTEGER, id TEXT,
    type TEXT, data TEXT, UNIQUE (id), UNIQUE (stream, version));
"""
INSERT = """
INSERT INTO events (stream, version, id, type, data)
SELECT :stream, :expected + 1 + key, json_extract(value, '$.id'), json_extract(value, '$.type'),
       json_extract(value, '$.data')
FROM json_each(:events)
WHERE :expected = (SELECT coalesce(max(version), 0) FROM events WHERE stream = :stream)
  AND NOT EXISTS (SELECT * FROM events WHERE id = :first)
ORDER BY key
"""
FIELDS = "position, stream, version, id, type, data"


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
        self.path, self.poll, self.bells = path, poll, set()

    def connect(self):
        return aiosqlite.connect(self.path, timeout=30)

    async def __aenter__(self):
        async with self.connect() as db:
            await db.executescript(SCHEMA)
        return self

    async def __aexit__(self, *exc):
        pass

    async def append(self, stream, events, expected_version):
        texts = [{"id": e.id, "type": e.type, "data": json.dumps(e.data)} for e in events]
        values = {
            "stream": stream,
            "expected": expected_version,
            "events": json.dumps(texts),
            "first": events[0].id,
        }
        ids = ", ".join("?" for _ in events)
        try:
            async with self.connect() as db:
                await db.execute(INSERT, values)
                await db.commit()
                sql = f"SELECT {FIELDS} FROM events WHERE id IN ({ids}) ORDER BY position"
                stored = await self.query(sql, *(e.id for e in events), db=db)
                if stored:
                    return stored
                sql = "SELECT max(version) FROM events WHERE stream = ?"
                [(actual,)] = await db.execute_fetchall(sql, (stream,))
                raise WrongExpectedVersion(stream, expected_version, actual or 0)
        finally:
            for bell in self.bells:
                with contextlib.suppress(asyncio.QueueFull):
                    bell.put_nowait(True)

    async def query(self, sql, *values, db=None):
        async with contextlib.AsyncExitStack() as stack:
            db = db or await stack.enter_async_context(self.connect())
            rows = await db.execute_fetchall(sql, values)
        return [StoredEvent(*row[:-1], json.loads(row[-1])) for row in rows]

    async def read_stream(self, stream, from_version=1):
        sql = f"SELECT {FIELDS} FROM events WHERE stream = ? AND version >= ? ORDER BY 3"
        return await self.query(sql, stream, from_version)

    async def read_all(self, after=0, limit=None):
        sql = f"SELECT {FIELDS} FROM events WHERE position > ? ORDER BY 1"
        if limit is not None:
            sql += f" LIMIT {limit:d}"
        return await self.query(sql, after)

    def subscribe(self, after=0):
        return Subscription(self, after)


class Subscription:
    def __init__(self, store, after):
        self.store = store
        self.after = after
        self.bell = asyncio.Queue(1)
        self.buffer = deque()
        store.bells.add(self.bell)

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self.buffer:
            self.buffer.extend(await self.store.read_all(self.after, 3))
            if not self.buffer:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self.bell.get(), self.store.poll)
        event = self.buffer.popleft()
        self.after = event.position
        return event

    async def aclose(self):
        self.store.bells.discard(self.bell)


class follow:
    def __init__(self, log, after=0, *, poll=1.0):
        self.log, self.after, self.poll = log, after, poll
        self.ready = []

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self.ready:
            upto = await self.log.settled()
            if upto > self.after:
                page = await self.log.read(self.after, limit=10)
                self.ready = [e for e in page if e.position <= upto]
            if not self.ready:
                if upto > self.after and not page:
                    self.after = upto
                await asyncio.sleep(self.poll)
        event = self.ready.pop(0)
        self.after = event.position
        return event
