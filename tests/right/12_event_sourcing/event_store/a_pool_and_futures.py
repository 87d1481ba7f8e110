"""Subscriptions are objects, woken by futures; whoever needs a connection takes one from a pool."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
import weakref
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Protocol

import aiosqlite

log = logging.getLogger("store")


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

    @classmethod
    def of(cls, row):
        return cls(*row[:-1], data=json.loads(row[-1]))


class WrongExpectedVersion(Exception):
    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(f"{stream} is at version {actual}, expected {expected}")
        self.stream = stream
        self.expected = expected
        self.actual = actual


class Log(Protocol):
    async def settled(self) -> int: ...

    async def read(self, after: int, limit: int = 100) -> Sequence[StoredEvent]: ...


SELECT = "SELECT position, stream, version, id, type, data FROM events "


class EventStore:
    def __init__(self, path, *, poll=1.0):
        self.path, self.poll = path, poll
        self.subscriptions = weakref.WeakSet()
        self.idle = []

    async def __aenter__(self):
        async with self._connection() as db:
            for _ in range(200):
                try:
                    async with db.execute("PRAGMA journal_mode") as rows:
                        [(mode,)] = await rows.fetchall()
                    if mode == "wal":
                        break
                    async with db.execute("PRAGMA journal_mode = WAL") as rows:
                        await rows.fetchall()
                except sqlite3.OperationalError:
                    await asyncio.sleep(0.02)
            await db.execute("BEGIN IMMEDIATE")
            await db.execute(
                "CREATE TABLE IF NOT EXISTS events (position INTEGER NOT NULL PRIMARY KEY, "
                "stream TEXT, version INTEGER, id TEXT UNIQUE, type TEXT, data TEXT, "
                "UNIQUE (stream, version))"
            )
            for what, when in (
                ("UPDATE", "1"),
                ("DELETE", "1"),
                (
                    "INSERT",
                    "NEW.position IN (SELECT position FROM events) OR "
                    "NEW.id IN (SELECT id FROM events) OR (NEW.stream, NEW.version) IN "
                    "(SELECT stream, version FROM events)",
                ),
            ):
                await db.execute(
                    f"CREATE TRIGGER IF NOT EXISTS history_{what} BEFORE {what} ON events "
                    f"WHEN {when} BEGIN SELECT RAISE(FAIL, 'history'); END"
                )
            await db.execute("COMMIT")
        return self

    async def __aexit__(self, *exc):
        while self.idle:
            await self.idle.pop().close()

    @contextlib.asynccontextmanager
    async def _connection(self):
        """One that nobody else has; it is kept for the next one if nothing went wrong."""
        db = (
            self.idle.pop()
            if self.idle
            else await aiosqlite.connect(self.path, isolation_level=None)
        )
        try:
            yield db
        except BaseException:
            await db.close()
            raise
        if len(self.idle) < 3:
            self.idle.append(db)
        else:
            await db.close()

    async def append(self, stream, events, expected_version):
        try:
            async with self._connection() as db:
                await db.execute("BEGIN IMMEDIATE")
                marks = ", ".join("?" * len(events))
                ids = [event.id for event in events]
                before = await db.execute_fetchall(
                    f"{SELECT} WHERE id IN ({marks}) ORDER BY 1", ids
                )
                if before:
                    await db.execute("ROLLBACK")
                    return [StoredEvent.of(row) for row in before]
                [(actual,)] = await db.execute_fetchall(
                    "SELECT count(*) FROM events WHERE stream = ?", [stream]
                )
                if actual != expected_version:
                    await db.execute("ROLLBACK")
                    raise WrongExpectedVersion(stream, expected_version, actual)
                [(last,)] = await db.execute_fetchall("SELECT ifnull(max(position), 0) FROM events")
                stored = [
                    StoredEvent(last + n, stream, actual + n, *astuple(event))
                    for n, event in enumerate(events, 1)
                ]
                rows = [(*astuple(event)[:-1], json.dumps(event.data)) for event in stored]
                await db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", rows)
                await db.execute("COMMIT")
                return stored
        finally:
            for subscription in list(self.subscriptions):
                subscription.wake()

    async def _read(self, rest, *parameters):
        async with self._connection() as db:
            rows = await db.execute_fetchall(SELECT + rest, parameters)
        return [StoredEvent.of(row) for row in rows]

    async def read_stream(self, stream, from_version=1):
        rest = "WHERE stream = ? AND version >= ? ORDER BY version"
        return await self._read(rest, stream, from_version)

    async def read_all(self, after=0, limit=None):
        rest = "WHERE position > ? ORDER BY position LIMIT ?"
        return await self._read(rest, after, 10**9 if limit is None else limit)

    def subscribe(self, after=0):
        subscription = Subscription(self, after)
        self.subscriptions.add(subscription)
        return subscription


class Subscription:
    def __init__(self, store, after):
        self.store, self.after = store, after
        self.buffer: list[StoredEvent] = []
        self.woken = False
        self.waiter = None

    def wake(self):
        self.woken = True
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def __aiter__(self):
        return self

    async def __anext__(self):
        while not self.buffer:
            self.woken = False
            self.buffer = (await self.store.read_all(self.after, 37))[::-1]
            if not self.buffer and not self.woken:
                self.waiter = asyncio.get_running_loop().create_future()
                await asyncio.wait([self.waiter], timeout=self.store.poll)
                self.waiter = None
        event = self.buffer.pop()
        self.after = event.position
        return event


async def follow(log: Log, after=0, *, poll=1.0) -> AsyncIterator[StoredEvent]:
    """Asks what is settled until it is more than what has been yielded; only then it reads."""
    while True:
        limit = await log.settled()
        while after < limit:
            events = await log.read(after, 50)
            if not events or events[0].position > limit:
                break
            for event in events:
                if event.position > limit:
                    break
                yield event
                after = event.position
        await asyncio.sleep(poll)
