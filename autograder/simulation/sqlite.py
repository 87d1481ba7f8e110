"""aiosqlite in virtual time.

aiosqlite gives each connection a thread that takes calls from a queue. In a world the queue runs
each call whole on the loop, a drawn latency later; and its answer is on the way for a while, in
which the loop goes on, and what was seen may be past. A database that another connection has locked
makes the call wait in virtual time for as long as the connection's busy timeout allows: waiting
in SQLite itself would stop the whole world, the connection that holds the lock included.
"""

from __future__ import annotations

import sqlite3
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from .current import current_process, here, world_on_loop_thread
from .patches import Patches

if TYPE_CHECKING:
    from .world import World

_TRIP = (0.0001, 0.006)
"""Seconds until a call is carried out, and then"""
_BACK = (0.0001, 0.004)
"""until its answer is there;"""
_LONG = (0.004, 0.040)
"""for one in ten, of many rows or from a cold disk, so long."""
_RETRIES = (0.001, 0.002, 0.005, 0.010, 0.015, 0.020, 0.025, 0.025, 0.025, 0.050, 0.050, 0.100)
"""Seconds until each next try, as SQLite's own busy handler waits; the last one for all others."""
_DEFAULT_TIMEOUT = 5.0
_MANY_CURSORS = 100
_FACTORY = 5
"""Where `sqlite3.connect` has its parameter `factory`."""


_slow_answers: WeakKeyDictionary[World, float] = WeakKeyDictionary()


def slow_answers(world: World, seconds: float) -> None:
    """From now on each answer in this world is on its way for so long: a machine with too much to
    do. What it is the answer to has been done before, as always."""
    _slow_answers[world] = seconds


class _LoopQueue:
    """Stands for the queue of a connection's thread."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._items: deque[tuple[Any, Callable[[], Any]]] = deque()
        self._timeout = _DEFAULT_TIMEOUT
        self._last: Any = None
        self._connection: sqlite3.Connection | None = None
        self._arrived = 0.0  # when the last answer arrives: they do so in order

    def put_nowait(self, item: tuple[Any, Callable[[], Any]]) -> None:
        if self._world.loop.is_closed():
            item[1]()
            return
        self._items.append(item)
        if len(self._items) == 1:
            self._schedule()

    def _schedule(self) -> None:
        loop = self._world.loop
        loop.call_later(self._world.latency("sqlite", *_TRIP), self._run, loop.now, 0)

    def _run(self, asked: float, tries: int) -> None:
        future, call = self._items[0]
        loop = self._world.loop
        try:
            # As in aiosqlite's thread, the last result lives until there is another one: a cursor
            # whose rows nobody has read is a statement in progress, and may forbid a commit.
            result = self._last = call()
        except sqlite3.OperationalError as error:
            waited = loop.now - asked
            if _is_locked(error) and waited < self._timeout:
                delay = _RETRIES[min(tries, len(_RETRIES) - 1)]
                loop.call_later(min(delay, self._timeout - waited), self._run, asked, tries + 1)
                return
            self._answer(future, "set_exception", error)
        except BaseException as error:
            self._answer(future, "set_exception", error)
        else:
            if isinstance(result, sqlite3.Connection):
                self._connection = result
                self._take_over_waiting()
            elif _is_about_waiting(call):
                self._take_over_waiting()
            self._answer(future, "set_result", result)
        self._items.popleft()
        if self._items:
            self._schedule()

    def _answer(self, future: Any, how: str, value: Any) -> None:
        if future is None:
            return
        loop = self._world.loop
        trip = _LONG if self._world.chance(0.1, "sqlite is slow") else _BACK
        slow = _slow_answers.get(self._world, 0.0)
        arrives = loop.now + (slow or self._world.latency("sqlite answers", *trip))
        self._arrived = max(self._arrived, arrives)
        loop.call_when(self._arrived, self._settle, future, how, value)

    def _settle(self, future: Any, how: str, value: Any) -> None:
        if future.done():
            return
        if isinstance(value, sqlite3.Connection):
            self._world.connections.append(value)
        getattr(future, how)(value)

    def _take_over_waiting(self) -> None:
        connection = self._connection
        assert connection is not None
        self._timeout = connection.execute("PRAGMA busy_timeout").fetchone()[0] / 1000
        connection.execute("PRAGMA busy_timeout = 0")
        with suppress(sqlite3.OperationalError):  # it reads the file, which may be locked
            # Nobody pulls the plug in a world, and a disk takes real time.
            connection.execute("PRAGMA synchronous = OFF")


def _is_locked(error: sqlite3.OperationalError) -> bool:
    """True if SQLite would wait. ("Busy" with statements in progress: it would not.)"""
    return error.sqlite_errorcode == sqlite3.SQLITE_BUSY and "in progress" not in str(error)


def _is_about_waiting(call: Callable[[], Any]) -> bool:
    """True for a statement that may have told SQLite itself how long to wait."""
    for given in getattr(call, "args", ()):  # aiosqlite's calls are partial ones
        if isinstance(given, str) and "busy_timeout" in given.lower():
            return True
    return False


class _NoThread:
    def start(self) -> None: ...

    def join(self, timeout: float | None = None) -> None: ...

    def is_alive(self) -> bool:
        return False


class _QueueMaker:
    """Replaces ``SimpleQueue`` in aiosqlite: a queue on the loop inside a world."""

    def __class_getitem__(cls, item: Any) -> Any:
        return SimpleQueue[item]

    def __new__(cls) -> Any:
        world = world_on_loop_thread()
        return SimpleQueue() if world is None else _LoopQueue(world)


def _thread(*args: Any, **kwargs: Any) -> Any:
    return Thread(*args, **kwargs) if here.world is None else _NoThread()


class _Mortal(sqlite3.Connection):
    """A connection that knows its cursors: SQLite keeps the locks of a connection that is closed
    as long as a statement of it is half read, and the frames of the dead live on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cursors: list[ref[sqlite3.Cursor]] = []
        self._many = _MANY_CURSORS

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        cursor = super().cursor(*args, **kwargs)
        self.cursors.append(ref(cursor))
        if len(self.cursors) > self._many:
            self.cursors = [one for one in self.cursors if one() is not None]
            self._many = 2 * len(self.cursors) + _MANY_CURSORS
        return cursor

    # sqlite3's own short cuts do not come by `cursor`.
    def execute(self, *args: Any) -> sqlite3.Cursor:
        return self.cursor().execute(*args)  # type: ignore[no-any-return]

    def executemany(self, *args: Any) -> sqlite3.Cursor:
        return self.cursor().executemany(*args)  # type: ignore[no-any-return]


def left_open(world: World) -> int:
    """How many connections aiosqlite has opened in a world that nobody has closed: each of them
    keeps a thread, and a program that has threads does not end."""
    count = 0
    for connection in world.connections:
        with suppress(sqlite3.ProgrammingError):  # it is closed
            count += connection.total_changes >= 0
    return count


def bury(connection: sqlite3.Connection) -> None:
    """Close a connection whose process was killed: nothing of it is left, and no lock."""
    # What another thread has opened cannot be closed from here.
    with suppress(sqlite3.ProgrammingError):
        for cursor in getattr(connection, "cursors", ()):
            if (alive := cursor()) is not None:
                alive.close()
        connection.close()


def _remember_connections(patches: Patches) -> None:
    """A process that is killed leaves its transactions to be rolled back: so it must be known
    which connections it has opened."""

    def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        world, process = here.world, current_process.get()
        if world is None or process is None:
            return original(*args, **kwargs)  # type: ignore[no-any-return]
        if len(args) <= _FACTORY:
            kwargs.setdefault("factory", _Mortal)
        connection: sqlite3.Connection = original(*args, **kwargs)
        world.databases.append((process, connection))
        return connection

    original = patches.put(sqlite3, "connect", connect)


def _guard_isolation_level(patches: Patches, core: Any) -> None:
    """Python's sqlite3 commits when the isolation level is set to None, and may only do so in the
    thread of the connection: aiosqlite sets it in that of the loop."""
    level = core.Connection.isolation_level

    def set_level(connection: Any, value: Any) -> None:
        if value is None and world_on_loop_thread() is not None:
            raise sqlite3.ProgrammingError(
                "SQLite objects created in a thread can only be used in that same thread, and a "
                "connection of aiosqlite has one of its own. Say it when it is opened, "
                "aiosqlite.connect(path, isolation_level=None), or do without and write BEGIN."
            )
        level.fset(connection, value)

    patches.put(core.Connection, "isolation_level", property(level.fget, set_level))


def install(patches: Patches) -> None:
    """Put the queue in place, if aiosqlite has been imported."""
    _remember_connections(patches)
    core = sys.modules.get("aiosqlite.core")
    if core is not None:
        patches.put(core, "SimpleQueue", _QueueMaker)
        patches.put(core, "Thread", _thread)
        _guard_isolation_level(patches, core)
