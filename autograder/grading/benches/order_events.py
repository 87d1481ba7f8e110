"""The shop's events in a file of SQLite, for graders: programs that open it, and eyes on it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from types import ModuleType
from typing import Any

from autograder.simulation.world import World

from ..mistakes import mistake

NEVER = 100_000.0
"""Seconds between two polls, where a test is about something else."""
TYPES = ("OrderPlaced", "StockReserved", "PaymentTaken", "OrderShipped", "OrderDelivered")
Row = tuple[int, str, int, str, str, Any]
"""position, stream, version, id, type, data."""


class Orders:
    """One file of events, and the programs that use it. Entered by a test, and left at its end.

    ``statements``: all SQL that anybody has sent to it. ``read_cancelled``: somebody was cancelled
    who read, and since then nobody writes while another one does.
    """

    def __init__(
        self, world: World, submission: ModuleType, path: Path, statements: list[str]
    ) -> None:
        self.world = world
        self.submission = submission
        self.path = path
        self.statements = statements
        self.read_cancelled = False
        self._programs = AsyncExitStack()
        self._names: dict[int, _Names] = {}  # by the id of a store: as its program knows them

    async def __aenter__(self) -> Orders:
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await self._programs.__aexit__(*exc)

    # -- programs ---------------------------------------------------------------------------------

    async def open(self, poll: float = NEVER) -> Any:
        """One more program's store; it is closed at the end.

        A program shares nothing with others but the file: each has the learner's module anew.
        """
        self.submission.restart()
        store = self.submission.EventStore(self.path, poll=poll)
        names = _Names(self.submission)
        try:
            entered = await self._programs.enter_async_context(store)
        except sqlite3.OperationalError as error:
            explain("opening the store", error)
            raise
        self._names[id(entered)] = names
        return entered

    def known(self, store: Any, events: Iterable[Any]) -> list[Any]:
        """Events, as the program knows them that has this store."""
        return [self._names[id(store)].Event(event.id, event.type, event.data) for event in events]

    def of_one_kind(self, stored: Iterable[Any]) -> list[Any]:
        """Stored events, so that those of several programs can be compared."""
        kinds = [names.StoredEvent for names in self._names.values()]
        return [
            kinds[0](e.position, e.stream, e.version, e.id, e.type, e.data)
            if type(e) in kinds
            else e
            for e in stored
        ]

    def events(self, order: str, count: int, first: int = 1) -> list[Any]:
        """Events of an order, from the ``first``-th one on."""
        return [
            self.submission.Event(
                f"{order}/{number}",
                TYPES[(number - 1) % len(TYPES)],
                {"order_id": order, "number": number, "items": {"lamp": 2}, "by": "Zoë"},
            )
            for number in range(first, first + count)
        ]

    async def append(self, store: Any, order: str, count: int, version: int = 0) -> list[Any]:
        """Append the events that come after this version of an order."""
        stored = await self.tried(store, order, self.events(order, count, version + 1), version)
        if isinstance(stored, Exception):
            raise stored
        return list(stored)

    async def tried(self, store: Any, order: str, events: Sequence[Any], version: int) -> Any:
        """What append returned, or the WrongExpectedVersion that it raised."""
        events = self.known(store, events)
        try:
            return self.of_one_kind(await store.append(f"order-{order}", events, version))
        except self._names[id(store)].WrongExpectedVersion as error:
            return error
        except sqlite3.OperationalError as error:
            explain("append", error, self.read_cancelled)
            raise

    # -- eyes -------------------------------------------------------------------------------------

    def rows(self, order: str | None = None) -> list[Row]:
        """What is committed, by position."""
        sql = "SELECT position, stream, version, id, type, data FROM events"
        if order is not None:
            sql += f" WHERE stream = 'order-{order}'"
        with closing(sqlite3.connect(self.path, timeout=0)) as eyes:
            found = eyes.execute(f"{sql} ORDER BY position").fetchall()
        return [(*row[:5], json.loads(row[5])) for row in found]

    def ids(self, order: str) -> list[str]:
        """The ids in an order's stream, by position."""
        return [row[3] for row in self.rows(order)]

    def versions(self, order: str) -> list[int]:
        return [row[2] for row in self.rows(order)]

    def must_be_whole(self, order: str, count: int, said: str) -> bool:
        """True if all so many events of an order are there, False if there are none."""
        ids = self.ids(order)
        there = len(set(ids))
        assert there in (0, count), mistake(
            "partial-append",
            f"{said}, and of the {count} events of one append {there} are there.",
        )
        assert len(ids) == there, mistake(
            "not-idempotent", f"{said}, and these events are there twice: {ids}"
        )
        assert self.versions(order) == list(range(1, there + 1)), (
            f"{said}; the versions of its events are {self.versions(order)}, expected 1 to {there}"
        )
        return bool(ids)

    def must_keep_history(self, said: str = "") -> None:
        """Tries to change the first row, in many ways."""
        for sql, changed in self._change_history():
            assert not changed, mistake(
                "mutates-history",
                f"{said}Another connection could change what is stored:  {sql}",
            )
            assert sql.startswith("INSERT"), (  # which may have added something
                f"{said}this has changed nothing, and no error said so:  {sql}"
            )

    def _change_history(self) -> Iterable[tuple[str, bool]]:
        """What was no error, and whether it has changed anything."""
        row = self.rows()[0]
        values = (*row[:5], json.dumps(row[5]))
        for sql, parameters in _changes(values):
            with closing(sqlite3.connect(self.path, timeout=0, isolation_level=None)) as vandal:
                before = vandal.execute("SELECT * FROM events ORDER BY position").fetchall()
                vandal.execute("BEGIN")
                try:
                    vandal.execute(sql, parameters)
                except sqlite3.DatabaseError:
                    continue
                after = vandal.execute("SELECT * FROM events ORDER BY position").fetchall()
                vandal.execute("ROLLBACK")
                yield sql, [kept for kept in after if kept in before] != before


class _Names:
    """What a learner's module calls its own, while a program has it."""

    def __init__(self, submission: ModuleType) -> None:
        self.Event = submission.Event
        self.StoredEvent = submission.StoredEvent
        self.WrongExpectedVersion = submission.WrongExpectedVersion


def explain(what: str, error: sqlite3.OperationalError, read_cancelled: bool = False) -> None:
    """Raises an AssertionError that names the mistake behind what SQLite said, if it is sure."""
    said = f"{what} raised {error!r}."
    if error.sqlite_errorcode == sqlite3.SQLITE_BUSY_SNAPSHOT:
        if read_cancelled:
            said = mistake(
                "transaction-left-open",
                f"A read was cancelled, somebody else appended, and then {said} The connection is "
                "still in the middle of that read: a SELECT whose rows nobody has fetched is a "
                "transaction, too. (SQLITE_BUSY_SNAPSHOT)",
            )
            raise AssertionError(said) from None
        said = mistake(
            "begins-as-reader",
            f"{said} The transaction had begun with a read, or rows were still to be read; "
            "somebody else wrote; then it wanted to write. (SQLITE_BUSY_SNAPSHOT)",
        )
        raise AssertionError(said) from None
    if "statements in progress" in str(error):
        said = f"{said} Some statement before it has answered with rows that nobody has fetched."
        raise AssertionError(mistake("rows-left-unread", said)) from None


def _changes(row: Sequence[Any]) -> list[tuple[str, Sequence[Any]]]:
    position, stream, version, id, kind, _ = row
    insert = "INSERT OR REPLACE INTO events (position, stream, version, id, type, data)"
    other, values = json.dumps({"forged": True}), "(?, ?, ?, ?, ?, ?)"
    updates = [
        (f"UPDATE events SET {column} = ? WHERE position = ?", (value, position))
        for column, value in (
            ("data", other), ("type", "OrderCancelled"), ("stream", "order-x"), ("version", 77),
            ("id", "another"), ("position", 7777),
        )
    ]  # fmt: skip
    return [
        *updates,
        ("UPDATE OR REPLACE events SET data = ? WHERE position = ?", (other, position)),
        ("DELETE FROM events WHERE position = ?", (position,)),
        ("DELETE FROM events", ()),
        (f"{insert} VALUES {values}", (position, stream, version, id, kind, other)),
        (f"{insert} VALUES {values} -- its position", (position, "order-x", 1, "new", kind, other)),
        (f"{insert} VALUES {values} -- its id", (9999, "order-x", 1, id, kind, other)),
        (f"{insert} VALUES {values} -- its version", (9999, stream, version, "new", kind, other)),
    ]


def order_files(folder: Path, monkeypatch: Any) -> Callable[[World, ModuleType], Orders]:
    """What makes scenes, each with a file of its own that is not there yet."""
    statements = listen_to_sql(monkeypatch)
    made: list[Path] = []

    def make(world: World, submission: ModuleType) -> Orders:
        made.append(folder / f"{len(made)}.db")
        statements.clear()
        return Orders(world, submission, made[-1], statements)

    return make


def listen_to_sql(monkeypatch: Any) -> list[str]:
    """The statements that are sent from now on, whoever sends them."""
    connect = sqlite3.connect
    statements: list[str] = []

    def connect_and_listen(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_and_listen)
    return statements
