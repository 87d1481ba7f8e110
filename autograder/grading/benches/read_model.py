"""Eyes on a read model: what readers of its database see, for graders."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosqlite  # noqa: F401  before the first world begins, which stands in for its thread

from ..mistakes import mistake
from .database_files import commits, is_locked, new_database
from .order_log import Events, Rows

SCHEMA = (
    "CREATE TABLE orders (order_id TEXT PRIMARY KEY, customer TEXT NOT NULL, status TEXT NOT NULL)",
    "CREATE TABLE customers (customer TEXT PRIMARY KEY, orders INTEGER NOT NULL, "
    "paid INTEGER NOT NULL)",
    "CREATE TABLE checkpoint (position INTEGER NOT NULL)",
    "INSERT INTO checkpoint VALUES (0)",
)
BIAS = 500_000
"""Cents that ada has paid too many, where rows are wrong; and her order is bob's, and lost."""
LOST = ("o-1", "bob", "lost")
COLUMNS = {
    "orders": [("order_id", 1), ("customer", 0), ("status", 0)],
    "customers": [("customer", 1), ("orders", 0), ("paid", 0)],
    "checkpoint": [("position", 0)],
}
"""Of each table: its columns, and their places in the primary key."""
_GLANCE = 0.002


def make_model(path: Path) -> Path:
    """An empty read model."""
    return new_database(path, SCHEMA)


def models(template: Path, folder: Path) -> Callable[[Events], ReadModel]:
    """What makes read models, each a copy of the template."""
    made: list[Path] = []

    def make(events: Events) -> ReadModel:
        made.append(folder / f"{len(made)}.db")
        shutil.copyfile(template, made[-1])
        return ReadModel(made[-1], events)

    return make


@dataclass(frozen=True)
class Seen:
    """What a reader saw in one transaction."""

    position: int
    rows: Rows


class ReadModel:
    """A read model's database, and a reader whose connection is open all the time.

    Attributes:
        path: the file that a submission is given.
        seen: everything different that the reader saw, in order.
        unreadable: what SQLite said when the reader could not read, if that happened.
        at_work: the projectors and rebuilds that were started on it.
        biased: rows of ada were wrong when the test began, of her order and of what she has paid;
            ``filled``: up to which position there were rows then.
    """

    def __init__(self, path: Path, events: Events) -> None:
        self.path = path
        self.events = events
        self.seen: list[Seen] = []
        self.unreadable: str | None = None
        self.at_work: list[asyncio.Task[None]] = []
        self.biased = False
        self.filled = 0
        self._eyes = sqlite3.connect(path, timeout=0, isolation_level=None)
        self._eyes.execute("PRAGMA synchronous = OFF")  # nobody pulls the plug
        self._version: int | None = None
        self._now: Seen | None = None
        self._watch: asyncio.Task[None] | None = None
        events.world.at_end(self._close)

    async def _close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._eyes.close()

    # -- looking ----------------------------------------------------------------------------------

    def look(self) -> Seen | None:
        """What is there now; None if it cannot be read."""
        eyes = self._eyes
        try:
            eyes.execute("BEGIN")
            position = eyes.execute("SELECT position FROM checkpoint").fetchall()
            orders = eyes.execute("SELECT order_id, customer, status FROM orders ORDER BY 1")
            customers = eyes.execute("SELECT customer, orders, paid FROM customers ORDER BY 1")
            rows = Rows(tuple(orders.fetchall()), tuple(customers.fetchall()))
        except sqlite3.OperationalError as error:
            self.unreadable = self.unreadable or str(error)
            return None
        finally:
            with suppress(sqlite3.OperationalError):
                eyes.execute("COMMIT")
        if len(position) != 1:
            self.unreadable = self.unreadable or f"checkpoint has {len(position)} rows"
            return None
        now = Seen(position[0][0], rows)
        if not self.seen or self.seen[-1] != now:
            self.seen.append(now)
        return now

    def watch_statements(self, monkeypatch: Any) -> None:
        """From now on somebody looks whenever SQLite begins a statement, also within a script."""
        connect = sqlite3.connect

        def watched(*args: Any, **options: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*args, **options)
            connection.set_trace_callback(lambda statement: self._look_in_between())
            return connection

        monkeypatch.setattr(sqlite3, "connect", watched)

    def _look_in_between(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # in a thread; or the test is over
            self._glance()

    def watch(self) -> None:
        """From now on somebody looks, again and again."""
        self._watch = asyncio.create_task(self._look_on(), name="a reader")

    async def _look_on(self) -> None:
        while True:
            self._glance()
            await asyncio.sleep(_GLANCE)

    def _glance(self) -> Seen | None:
        """As `look`, but it takes no time if nobody has committed anything."""
        version = self.commits()
        if version != self._version:
            self._version = version
            self._now = self.look()
        return self._now

    def commits(self) -> int:
        """A number that changes when anybody commits: what is there when a process is dead."""
        return commits(self._eyes)

    def is_locked(self) -> bool:
        """True if nobody else could write at this moment."""
        return is_locked(self._eyes)

    def is_held(self) -> bool:
        """True if a transaction is open, if only for reading: then SQLite can put nothing into the
        file that is committed from now on."""
        if self.is_locked():
            return True
        self._eyes.execute("CREATE TABLE IF NOT EXISTS others (id INTEGER PRIMARY KEY)")
        self._eyes.execute("INSERT INTO others DEFAULT VALUES")
        (busy, *_) = self._eyes.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return bool(busy)

    async def until(self, position: int, seconds: float = 60.0) -> bool:
        """Wait until the checkpoint is there; False if it has not come so far, or nobody who could
        move it is alive."""
        now = self.look()
        for _ in range(round(seconds / 0.05)):
            if now is not None and now.position >= position:
                return True
            if self.at_work and all(task.done() for task in self.at_work):
                return False
            await asyncio.sleep(0.05)
            now = self._glance()
        return False

    # -- arranging --------------------------------------------------------------------------------

    def fill(self, position: int, *, wrong: bool = False) -> None:
        """Put in what the events up to a position make; ``wrong``: but ada's rows are wrong."""
        rows, self.filled = self.events.rows(position), position
        self._eyes.execute("BEGIN IMMEDIATE")
        self._eyes.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows.orders)
        self._eyes.executemany("INSERT INTO customers VALUES (?, ?, ?)", rows.customers)
        self._eyes.execute("UPDATE checkpoint SET position = ?", (position,))
        if wrong:
            self._eyes.execute(
                "UPDATE customers SET paid = paid + ? WHERE customer = 'ada'", (BIAS,)
            )
            order, *row = LOST
            self._eyes.execute(
                "UPDATE orders SET customer = ?, status = ? WHERE order_id = ?", (*row, order)
            )
            self.biased = True
        self._eyes.execute("COMMIT")

    # -- judging ----------------------------------------------------------------------------------

    def is_true(self, seen: Seen) -> bool:
        """The rows are those of the checkpoint."""
        return seen.rows == self.events.rows(seen.position)

    def is_old(self, seen: Seen) -> bool:
        """The rows are those of the checkpoint, but for what was wrong from the beginning."""
        right = self.events.rows(seen.position)
        return self.biased and self.unbiased(seen.rows) == right and all(wrong_tables(seen.rows))

    def is_mixed(self, seen: Seen) -> bool:
        """One of the two tables has been mended, and the other one has not."""
        right = self.events.rows(seen.position)
        return (
            self.biased
            and self.unbiased(seen.rows) == right
            and len(set(wrong_tables(seen.rows))) == 2
        )

    def unbiased(self, rows: Rows) -> Rows:
        """Rows without what was wrong from the beginning."""
        was = {row[0]: row for row in self.events.rows(self.filled).orders}
        customers = tuple(
            (customer, orders, paid - BIAS * (customer == "ada" and paid >= BIAS // 2))
            for customer, orders, paid in rows.customers
        )
        orders = tuple(was.get(row[0], row) if row == LOST else row for row in rows.orders)
        return Rows(orders, customers)

    def columns(self) -> dict[str, list[tuple[str, int]]]:
        """Of each table: its columns, and their places in the primary key."""
        found = {}
        for table in COLUMNS:
            rows = self._eyes.execute(f"PRAGMA table_info({table})").fetchall()
            found[table] = [(row[1], row[5]) for row in rows]
        return found

    def position_of(self, rows: Rows) -> int | None:
        """Up to which event these rows are made; None if it is up to none."""
        for position in (0, *(int(event.position) for event in self.events.all)):
            if rows == self.events.rows(position):
                return position
        return None

    def counted_twice(self, seen: Seen) -> str | None:
        """What is counted more than once in these rows, in words; None if nothing is.

        Rows that are those of another position are late or early, and nothing is counted twice.
        """
        if self.position_of(seen.rows) is not None:
            return None
        there = {customer: (orders, paid) for customer, orders, paid in seen.rows.customers}
        for customer, orders, paid in self.events.rows(seen.position).customers:
            got = there.get(customer, (0, 0))
            if got[0] > orders:
                return f"{customer} has placed {_orders(orders)}, and `orders` says {got[0]}"
            if got[1] > paid or got[1] < 0:
                return f"{customer} has paid {paid} cents, and `paid` says {got[1]}"
        return None


def wrong_tables(rows: Rows) -> tuple[bool, bool]:
    """Whether what was wrong from the beginning is in the orders, and in the customers."""
    return LOST in rows.orders, any(
        row[0] == "ada" and row[2] >= BIAS // 2 for row in rows.customers
    )


def assert_never_between(model: ReadModel) -> None:
    """A reader saw the old rows, then the new ones, and never went back in time."""
    model.look()
    assert model.unreadable is None, mistake(
        "half-built-model",
        f"While the model was rebuilt, a reader got: {model.unreadable}.",
    )
    latest, mended = 0, False
    for seen in model.seen:
        _assert_whole(model, seen)
        _assert_not_back(model, latest, seen.position)
        true = model.is_true(seen)
        assert true or not mended, (
            f"the rows had been mended, and at position {seen.position} what was wrong is back"
        )
        latest, mended = seen.position, mended or true


def _assert_not_back(model: ReadModel, before: int, now: int) -> None:
    assert now >= before or now >= model.filled, mistake(
        "half-built-model",
        f"A reader saw the model at position {before}, and after that at {now}: it is being made "
        "again where everybody looks.",
    )
    assert now >= before, mistake(
        "back-in-time",
        f"A reader saw the model at position {before}, and after that at {now}: what was there a "
        "moment ago is not there any more.",
    )


def _assert_whole(model: ReadModel, seen: Seen) -> None:
    if model.is_true(seen) or model.is_old(seen):
        return
    assert not model.is_mixed(seen), mistake(
        "half-built-model",
        "While the model was rebuilt, a reader saw one of the tables `orders` and `customers` as "
        f"it had been, and the other one made again: {seen.rows}",
    )
    expected = model.events.rows(seen.position)
    other = model.position_of(model.unbiased(seen.rows))
    assert other is None or not model.filled <= other < seen.position, mistake(
        "checkpoint-apart",
        f"While the model was rebuilt, a reader saw the checkpoint at {seen.position}, and the "
        f"rows of {other}: what is between them will never be counted.",
    )
    assert other is None or not model.filled <= seen.position < other, mistake(
        "checkpoint-apart",
        f"While the model was rebuilt, a reader saw the checkpoint at {seen.position}, and the "
        f"rows of {other}: what is between them will be counted a second time.",
    )
    orders, customers = len(seen.rows.orders), len(seen.rows.customers)
    missing = orders < len(expected.orders) or customers < len(expected.customers)
    assert not missing, mistake(
        "half-built-model",
        f"While the model was rebuilt, a reader saw the checkpoint at {seen.position} and "
        f"{_orders(orders)} of {len(expected.orders)}, {customers} of {len(expected.customers)} "
        "customers.",
    )
    twice = model.counted_twice(Seen(seen.position, model.unbiased(seen.rows)))
    assert twice is None, mistake(
        "double-count", f"While the model was rebuilt, up to position {seen.position} {twice}."
    )
    raise AssertionError(
        f"while the model was rebuilt, a reader saw the checkpoint at {seen.position}, and rows "
        f"that are not those of it.\n  there were {seen.rows}\n  expected   {expected}"
    )


def assert_rebuilt(model: ReadModel, position: int, said: str) -> None:
    """The rows are right, and reach to a position. ``said`` is what had happened."""
    now = model.look()
    assert now is not None, f"{said}, and a reader gets: {model.unreadable}"
    assert not model.is_old(now), f"{said}, and what was wrong in the rows still is: {now.rows}"
    twice = model.counted_twice(now)
    assert twice is None, mistake("double-count", f"{said}, and up to {now.position} {twice}.")
    other = model.position_of(now.rows)
    assert other is None or model.is_true(now), mistake(
        "checkpoint-apart",
        f"{said}. The checkpoint says {now.position}, and the rows are those of {other}.",
    )
    assert model.is_true(now), (
        f"{said}. The checkpoint says {now.position}, and the rows are not those of it.\n"
        f"  there are {now.rows}\n  expected  {model.events.rows(now.position)}"
    )
    assert now.position >= position, (
        f"{said}. There are events up to {position}, and the checkpoint is at {now.position}"
    )
    columns = model.columns()
    assert columns == COLUMNS, (
        f"{said}, and the tables are no longer what they were: as (column, place in the primary "
        f"key) they have {columns}, expected {COLUMNS}"
    )


def _orders(count: int) -> str:
    return f"{count} order{'s' * (count != 1)}"
