"""Sets the journal, and does not look at the answer. It is a row, and nobody has fetched it.

mistake: rows-left-unread
fails: test_what_is_appended_can_be_read, test_a_stale_append_is_refused,
    test_of_two_writers_one_wins, test_the_same_append_again_adds_nothing,
    test_the_same_append_twice_at_once, test_history_stays_as_it_is,
    test_readers_and_writers_do_not_wait, test_killed_anywhere_an_append_is_whole,
    test_cancelled_anywhere_an_append_is_whole, test_several_tasks_use_one_store,
    test_nobody_sees_a_part_of_an_append, test_nothing_is_lost_between_catching_up_and_live,
    test_what_is_appended_comes_within_a_second, test_what_another_program_appends_comes_too,
    test_a_subscription_sleeps_while_nothing_comes, test_a_slow_subscriber_holds_up_nobody,
    test_several_programs_open_a_new_file, test_cancelled_anywhere_a_read_does_no_harm
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiosqlite

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
BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER IF NOT EXISTS no_delete BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER IF NOT EXISTS no_replace BEFORE INSERT ON events WHEN EXISTS (
    SELECT 1 FROM events WHERE position = NEW.position OR id = NEW.id
    OR (stream = NEW.stream AND version = NEW.version))
BEGIN SELECT RAISE(ABORT, 'append only'); END;
COMMIT;
"""
COLUMNS = "position, stream, version, id, type, data"


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
        self.news = asyncio.Event()

    async def __aenter__(self):
        self.writer = await aiosqlite.connect(self.path, isolation_level=None)
        await self.writer.execute("PRAGMA journal_mode = WAL")
        await self.writer.executescript(SCHEMA)
        self.reader = await aiosqlite.connect(self.path)
        return self

    async def __aexit__(self, *exc):
        await self.writer.close()
        await self.reader.close()

    async def append(self, stream, events, expected_version):
        async with self.lock:
            try:
                await self.writer.execute("BEGIN IMMEDIATE")
                stored = await self.find(events)
                if not stored:
                    actual = await self.version(stream)
                    if actual != expected_version:
                        raise WrongExpectedVersion(stream, expected_version, actual)
                    for version, event in enumerate(events, actual + 1):
                        await self.insert(stream, version, event)
                    stored = await self.find(events)
                    await self.writer.commit()
                return stored
            finally:
                await self.writer.rollback()
                self.news.set()
                self.news = asyncio.Event()

    async def find(self, events):
        marks = ", ".join("?" for _ in events)
        sql = f"SELECT {COLUMNS} FROM events WHERE id IN ({marks}) ORDER BY position"
        return await select(self.writer, sql, [event.id for event in events])

    async def version(self, stream):
        sql = "SELECT max(version) FROM events WHERE stream = ?"
        [(version,)] = await self.writer.execute_fetchall(sql, (stream,))
        return version or 0

    async def insert(self, stream, version, event):
        await self.writer.execute(
            "INSERT INTO events (stream, version, id, type, data) VALUES (?, ?, ?, ?, ?)",
            (stream, version, event.id, event.type, json.dumps(event.data)),
        )

    async def read_stream(self, stream, from_version=1):
        sql = f"SELECT {COLUMNS} FROM events WHERE stream = ? AND version >= ? ORDER BY version"
        return await select(self.reader, sql, (stream, from_version))

    async def read_all(self, after=0, limit=None):
        sql = f"SELECT {COLUMNS} FROM events WHERE position > ? ORDER BY position LIMIT ?"
        return await select(self.reader, sql, (after, -1 if limit is None else limit))

    async def subscribe(self, after=0):
        while True:
            news = self.news
            page = await self.read_all(after, 100)
            for event in page:
                yield event
                after = event.position
            if not page:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.poll):
                        await news.wait()


async def select(db, sql, values):
    rows = await db.execute_fetchall(sql, values)
    return [StoredEvent(*row[:5], json.loads(row[5])) for row in rows]


async def follow(log, after=0, *, poll=1.0):
    while True:
        settled = await log.settled()
        page = [event for event in await log.read(after) if event.position <= settled]
        for event in page:
            yield event
            after = event.position
        if not page:
            await asyncio.sleep(poll)
