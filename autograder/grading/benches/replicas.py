"""Replicas of a read model whose projectors do as they are told, for graders."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import aiosqlite  # before the first world begins, which stands in for its thread

from .database_files import new_database

if TYPE_CHECKING:
    from autograder.simulation import World

SCHEMA = (
    "CREATE TABLE orders (order_id TEXT PRIMARY KEY, status TEXT NOT NULL)",
    "CREATE TABLE checkpoint (position INTEGER NOT NULL)",
    "INSERT INTO checkpoint VALUES (0)",
)
ORDER = "o-1"


def make_replica(path: Path) -> Path:
    """An empty replica."""
    return new_database(path, SCHEMA)


def status_at(position: int) -> str | None:
    """The status of order o-1 when the model has this position: another one at each."""
    return f"status {position}" if position else None


class Replica:
    """One replica: its database, its projector, and the submission's ReadModel."""

    def __init__(self, world: World, submission: ModuleType, path: Path) -> None:
        self.world = world
        self.position = 0
        self.model: Any = None
        self.db: aiosqlite.Connection | None = None
        self._submission = submission
        self._path = path
        self._writer = sqlite3.connect(path, isolation_level=None)
        self._writer.execute("PRAGMA synchronous = OFF")
        world.at_end(self._close)

    async def _close(self) -> None:
        self._writer.close()
        if self.db is not None:
            await self.db.close()

    async def open(self) -> Replica:
        """A process begins to serve this replica."""
        self.db = await aiosqlite.connect(self._path)
        self.model = self._submission.ReadModel(self.db)
        return self

    def commit(self, position: int) -> None:
        """The projector commits, and has not said so yet."""
        self._writer.execute("BEGIN IMMEDIATE")
        self._writer.execute(
            "INSERT OR REPLACE INTO orders VALUES (?, ?)", (ORDER, status_at(position))
        )
        self._writer.execute("UPDATE checkpoint SET position = ?", (position,))
        self._writer.execute("COMMIT")
        self.position = position

    def move(self, position: int) -> None:
        """The projector commits, and says so."""
        self.commit(position)
        self.model.moved(position)

    async def move_during_a_look(self, position: int, instruction: int) -> None:
        """The projector moves while a query looks: when SQLite has carried out so many of its
        instructions."""
        assert self.db is not None
        left = instruction

        def one_more() -> int:
            nonlocal left
            left -= 1
            if left == 0:
                self.move(position)
            return 0

        await self.db.set_progress_handler(one_more, 1)


def replicas(
    template: Path, folder: Path
) -> Callable[[World, ModuleType, int], Coroutine[Any, Any, Replica]]:
    """What makes replicas, each in a file of its own and as far as it is told."""
    made: list[Path] = []

    async def make(world: World, submission: ModuleType, position: int = 0) -> Replica:
        made.append(folder / f"{len(made)}.db")
        shutil.copyfile(template, made[-1])
        replica = Replica(world, submission, made[-1])
        if position:
            replica.commit(position)
        return await replica.open()

    return make
