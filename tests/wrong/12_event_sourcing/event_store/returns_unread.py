"""Inserts with RETURNING, for the position, and finds the position elsewhere: in lastrowid.

Until the row has been fetched, the INSERT is not over, and nothing can be committed.

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

SCHEMA = [
    """CREATE TABLE IF NOT EXISTS events (
        position INTEGER PRIMARY KEY,
        stream TEXT NOT NULL,
        version INTEGER NOT NULL,
        id TEXT NOT NULL UNIQUE ON CONFLICT ROLLBACK,
        type TEXT NOT NULL,
        data TEXT NOT NULL,
        UNIQUE (stream, version) ON CONFLICT ROLLBACK
    )""",
    "CREATE TRIGGER IF NOT EXISTS never_update BEFORE UPDATE ON events "
    "BEGIN SELECT RAISE(ABORT, 'never'); END",
    "CREATE TRIGGER IF NOT EXISTS never_delete BEFORE DELETE ON events "
    "BEGIN SELECT RAISE(ABORT, 'never'); END",
]
for column in ("position = NEW.position", "id = NEW.id",
               "stream = NEW.stream AND version = NEW.version"):  # fmt: skip
    SCHEMA.append(
        f"CREATE TRIGGER IF NOT EXISTS never_replace_{len(SCHEMA)} BEFORE INSERT ON events "
        f"WHEN (SELECT count(*) FROM events WHERE {column}) > 0 "
        "BEGIN SELECT RAISE(ABORT, 'never'); END"
    )
READ = "SELECT position, stream, version, id, type, data FROM events "


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
        self._path = path
        self._poll = poll
        self._jobs = asyncio.Queue()
        self._waiting = []
        self._wake = asyncio.Event()

    async def __aenter__(self):
        self._reader = await aiosqlite.connect(self._path)
        self._writer = await aiosqlite.connect(self._path, isolation_level=None)
        await self._writer.execute_fetchall("PRAGMA journal_mode=WAL")
        await self._writer.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA:
            await self._writer.execute(statement)
        await self._writer.execute("COMMIT")
        self._tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._watch())]
        return self

    async def __aexit__(self, *exc):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._writer.close()
        await self._reader.close()

    async def append(self, stream, events, expected_version):
        done = asyncio.get_running_loop().create_future()
        self._jobs.put_nowait((done, stream, list(events), expected_version))
        cancelled = None
        while not done.done():
            try:
                await asyncio.wait([done])
            except asyncio.CancelledError as error:
                cancelled = error  # it is on its way: we may go when it is decided
        if cancelled:
            done.exception()
            raise cancelled
        return done.result()

    async def _write(self):
        while True:
            done, *job = await self._jobs.get()
            try:
                result = await self._transaction(*job)
            except Exception as error:
                done.set_exception(error)
            else:
                done.set_result(result)
                self._wake.set()

    async def _transaction(self, stream, events, expected):
        db = self._writer
        await db.execute("BEGIN IMMEDIATE")
        try:
            first = await db.execute_fetchall("SELECT * FROM events WHERE id = ?", (events[0].id,))
            if not first:
                row = await db.execute_fetchall(
                    "SELECT version FROM events WHERE stream = ? ORDER BY version DESC LIMIT 1",
                    (stream,),
                )
                actual = next(iter(row), (0,))[0]
                if actual != expected:
                    raise WrongExpectedVersion(stream, expected, actual)
                for n, e in enumerate(events, 1):
                    values = (stream, expected + n, e.id, e.type, json.dumps(e.data))
                    cursor = await db.execute(
                        "INSERT INTO events (stream, version, id, type, data) "
                        "VALUES (?, ?, ?, ?, ?) RETURNING position",
                        values,
                    )
                    assert cursor.lastrowid, "the position, without another round trip"
            marks = ",".join("?" * len(events))
            rows = await db.execute_fetchall(
                READ + f"WHERE id IN ({marks}) ORDER BY position", [e.id for e in events]
            )
        except BaseException:
            await db.execute("ROLLBACK")
            raise
        await db.execute("COMMIT")
        return stored(rows)

    async def read_stream(self, stream, from_version=1):
        rows = await self._reader.execute_fetchall(
            READ + "WHERE stream = ? AND version >= ? ORDER BY version", (stream, from_version)
        )
        return stored(rows)

    async def read_all(self, after=0, limit=None):
        rows = await self._reader.execute_fetchall(
            READ + "WHERE position > ? ORDER BY position LIMIT ?",
            (after, 2**62 if limit is None else limit),
        )
        return stored(rows)

    async def _watch(self):
        """Looks at where the log ends, when told to or after a while, and wakes those behind it."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll):
                    await self._wake.wait()
            self._wake.clear()
            if self._waiting:
                sql = "SELECT coalesce(max(position), 0) FROM events"
                [(end,)] = await self._reader.execute_fetchall(sql)
                for future, after in self._waiting:
                    if after < end and not future.done():
                        future.set_result(None)
                self._waiting = [pair for pair in self._waiting if not pair[0].done()]

    async def subscribe(self, after=0):
        while True:
            page = await self.read_all(after, 50)
            for event in page:
                yield event
                after = event.position
            if not page:
                future = asyncio.get_running_loop().create_future()
                self._waiting.append((future, after))
                self._wake.set()  # it may have come since we looked: let it be looked at once more
                await future


def stored(rows):
    return [StoredEvent(*row[:5], json.loads(row[5])) for row in rows]


async def follow(log, after=0, *, poll=1.0):
    settled = 0
    while True:
        page = []
        if settled > after:
            page = [event for event in await log.read(after, 20) if event.position <= settled]
        for event in page:
            yield event
        after = page[-1].position if page else max(after, settled)
        if not page:
            was, settled = settled, await log.settled()
            if settled == was:
                await asyncio.sleep(poll)
