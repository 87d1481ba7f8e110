"""PostgreSQL behind the methods of an aiosqlite connection.

Code written for aiosqlite, in SQL that both databases understand, runs on a real server this way.
Placeholders are rewritten, and a transaction begins by itself before the first INSERT, UPDATE or
DELETE, as it does in Python's sqlite3. BEGIN IMMEDIATE keeps out others who write, until the end of
the transaction, and whoever has to wait for a lock waits five seconds at most. What has been asked
is carried out, also if whoever asked is cancelled meanwhile. All else is PostgreSQL's own: others
who write do so side by side, and isolation is READ COMMITTED.
"""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from typing import Any, TypeVar

_T = TypeVar("_T")
Parameters = Sequence[Any] | Mapping[str, Any]

_PLACEHOLDER = re.compile(r"'(?:[^']|'')*'|\?(?P<number>\d*)|(?<!:):(?P<name>[A-Za-z_]\w*)")
_FIRST_WORD = re.compile(r"\s*(\w+)")
_ALONE = re.compile(r"\s*BEGIN\s+(IMMEDIATE|EXCLUSIVE)\b", re.IGNORECASE)
_WRITES = {"INSERT", "UPDATE", "DELETE", "REPLACE"}
# Whoever writes shares this lock, and BEGIN IMMEDIATE has it alone. The end of the transaction
# gives it back.
_WRITE_LOCK = 5432


async def connect(address: str) -> Connection:
    """A connection to the server at this address."""
    asyncpg: Any = importlib.import_module("asyncpg")
    settings = {
        "lock_timeout": "5s",  # as Python's sqlite3 waits for a database that is locked
        "synchronous_commit": "off",  # nobody pulls the plug in a test
    }
    return Connection(await asyncpg.connect(address, server_settings=settings))


def rewritten(sql: str, parameters: Parameters) -> tuple[str, list[Any]]:
    """SQL with ``$1`` for ``?`` and ``:name``, and the values in their order."""
    values: list[Any] = []

    def number(found: re.Match[str]) -> str:
        if found[0].startswith("'"):
            return found[0]
        if isinstance(parameters, Mapping):
            values.append(parameters[found["name"]])
        elif found["number"]:
            values.append(parameters[int(found["number"]) - 1])
        else:
            values.append(parameters[len(values)])
        return f"${len(values)}"

    return _PLACEHOLDER.sub(number, sql), values


class Cursor:
    """The outcome of one statement: its rows, and how many it changed."""

    def __init__(self, rows: Iterable[Sequence[Any]], rowcount: int) -> None:
        self._rows = iter([tuple(row) for row in rows])
        self.rowcount = rowcount

    async def fetchone(self) -> tuple[Any, ...] | None:
        return next(self._rows, None)

    async def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._rows)

    async def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        return [row for row, _ in zip(self._rows, range(size), strict=False)]

    async def close(self) -> None: ...

    async def __aenter__(self) -> Cursor:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def __aiter__(self) -> AsyncIterator[tuple[Any, ...]]:
        for row in self._rows:
            yield row


class _Result:
    """Can be awaited, and entered with ``async with``, as aiosqlite's can."""

    def __init__(self, running: Coroutine[Any, Any, Cursor]) -> None:
        self._running = running

    def __await__(self) -> Generator[Any, None, Cursor]:
        return self._running.__await__()

    async def __aenter__(self) -> Cursor:
        return await self._running

    async def __aexit__(self, *_: object) -> None: ...


class Connection:
    """Looks like an ``aiosqlite.Connection``; what it is asked happens in PostgreSQL.

    Attributes:
        before_each: called with the SQL of each statement before it is sent, if a test wants that;
            awaited if it is a coroutine function.
    """

    def __init__(self, real: Any) -> None:
        self._real = real
        self.before_each: Callable[[str], Awaitable[None] | None] | None = None
        self._turn = asyncio.Lock()
        self._at_work: set[asyncio.Task[Any]] = set()
        self.isolation_level: str | None = ""
        self.total_changes = 0
        self.row_factory: Any = None

    @property
    def in_transaction(self) -> bool:
        return bool(self._real.is_in_transaction())

    def execute(self, sql: str, parameters: Parameters | None = None) -> _Result:
        return _Result(self._execute(sql, parameters or ()))

    def executemany(self, sql: str, parameters: Iterable[Parameters]) -> _Result:
        return _Result(self._execute_many(sql, parameters))

    def execute_fetchall(self, sql: str, parameters: Parameters | None = None) -> Any:
        return self._fetch_all(sql, parameters or ())

    def cursor(self) -> _CursorToBe:
        return _CursorToBe(self)

    async def commit(self) -> None:
        if self.in_transaction:
            await self._told("COMMIT")
            await self._carried_out(self._real.execute("COMMIT"))

    async def rollback(self) -> None:
        # Not only if `in_transaction`: a BEGIN that was cancelled may be carried out yet, and this
        # queues up behind it.
        await self._carried_out(self._real.execute("ROLLBACK"))

    async def close(self) -> None:
        await self._carried_out(self._real.close())

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _told(self, sql: str) -> None:
        waiting = self.before_each(sql) if self.before_each is not None else None
        if waiting is not None:
            await waiting

    async def _carried_out(self, work: Coroutine[Any, Any, _T]) -> _T:
        """One thing after another, and each to its end, as aiosqlite's thread does it."""

        async def in_turn() -> _T:
            async with self._turn:
                return await work

        task = asyncio.create_task(in_turn())
        self._at_work.add(task)
        task.add_done_callback(self._is_done)
        return await asyncio.shield(task)

    def _is_done(self, task: asyncio.Task[Any]) -> None:
        self._at_work.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked has it, or has gone

    async def _execute(self, sql: str, parameters: Parameters) -> Cursor:
        await self._told(sql)
        return await self._carried_out(self._run(sql, parameters))

    async def _run(self, sql: str, parameters: Parameters) -> Cursor:
        first = _FIRST_WORD.match(sql)
        word = first[1].upper() if first else ""
        if word == "BEGIN":  # IMMEDIATE, EXCLUSIVE and DEFERRED are SQLite's
            await self._real.execute("BEGIN")
            if _ALONE.match(sql):
                await self._real.execute(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")
            return Cursor([], -1)
        if word in _WRITES:
            if self.isolation_level is not None and not self.in_transaction:
                await self._real.execute("BEGIN")
            await self._real.execute(f"SELECT pg_advisory_xact_lock_shared({_WRITE_LOCK})")
        sql, values = rewritten(sql, parameters)
        statement = await self._real.prepare(sql)
        rows = await statement.fetch(*values)
        last = str(statement.get_statusmsg()).rpartition(" ")[2]
        changed = int(last) if word in _WRITES and last.isdecimal() else -1
        self.total_changes += max(changed, 0)
        return Cursor(rows, changed)

    async def _execute_many(self, sql: str, parameters: Iterable[Parameters]) -> Cursor:
        changed = 0
        for values in parameters:
            changed += (await self._execute(sql, values)).rowcount
        return Cursor([], changed)

    async def _fetch_all(self, sql: str, parameters: Parameters) -> list[tuple[Any, ...]]:
        return await (await self._execute(sql, parameters)).fetchall()


class _CursorToBe:
    """``async with db.cursor() as cursor: await cursor.execute(...)``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._now = Cursor([], -1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._now, name)

    async def execute(self, sql: str, parameters: Parameters | None = None) -> _CursorToBe:
        self._now = await self._connection.execute(sql, parameters)
        return self

    def __await__(self) -> Generator[Any, None, _CursorToBe]:
        yield from ()
        return self

    async def __aenter__(self) -> _CursorToBe:
        return self

    async def __aexit__(self, *_: object) -> None: ...
