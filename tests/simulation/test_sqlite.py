"""aiosqlite, unchanged, in virtual time."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autograder.simulation import World, explore, run_world
from autograder.simulation.sqlite import left_open

aiosqlite = pytest.importorskip("aiosqlite")


@contextmanager
def shop(stock: int) -> Iterator[str]:
    """The path of a new database with one row of stock."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "shop.db")
        database = sqlite3.connect(path)
        database.execute("PRAGMA synchronous = off")
        database.execute("CREATE TABLE stock (left INTEGER)")
        database.execute("INSERT INTO stock VALUES (?)", [stock])
        database.commit()
        database.close()
        yield path


async def buy(path: str, who: str, sold: list[str], begin: str, patience: float = 5.0) -> None:
    async with aiosqlite.connect(path, isolation_level=None, timeout=patience) as database:
        await database.execute("PRAGMA synchronous = off")
        await database.execute(begin)
        [(left,)] = await database.execute_fetchall("SELECT left FROM stock")
        await asyncio.sleep(1)
        if left > 0:
            await database.execute("UPDATE stock SET left = left - 1")
            sold.append(who)
        await database.execute("COMMIT")


async def three_buyers(world: World) -> tuple[list[str], float]:
    with shop(stock=1) as path:
        sold: list[str] = []
        await asyncio.gather(*(buy(path, who, sold, "BEGIN IMMEDIATE") for who in "abc"))
        assert len(sold) == 1
        return sold, world.time()


def test_transactions_wait_for_each_other_in_virtual_time() -> None:
    """Three BEGIN IMMEDIATE at once: two are busy for seconds, and nothing real is waited for."""
    result = run_world(three_buyers).result
    assert result is not None
    assert 3 <= result[1] < 4


def test_no_world_accuses_transactions_that_are_correct() -> None:
    """A busy database is no deadlock and no blocking call."""
    assert explore(three_buyers, seeds=25) is None


def test_transactions_repeat_from_their_seed() -> None:
    """Who comes first differs between worlds, and is the same in the same world."""
    results = [run_world(three_buyers, seed).result for seed in range(12)]
    assert results == [run_world(three_buyers, seed).result for seed in range(12)]
    assert len({sold[0] for sold, _ in results if sold}) > 1


def test_a_busy_timeout_is_virtual() -> None:
    """A connection that waits for as long as it may is told that the database is locked."""

    async def program(world: World) -> float:
        with shop(stock=1) as path:
            async with aiosqlite.connect(path, isolation_level=None) as holder:
                await holder.execute("BEGIN IMMEDIATE")
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    await buy(path, "a", [], "BEGIN IMMEDIATE", patience=2.5)
                return world.time()

    outcome = run_world(program)
    assert outcome.error is None
    assert outcome.result == pytest.approx(2.5, abs=0.05)


def test_a_busy_timeout_that_a_pragma_sets_is_virtual() -> None:
    async def main(world: World) -> float:
        with shop(stock=1) as path:
            async with aiosqlite.connect(path) as one, aiosqlite.connect(path) as other:
                await one.execute("BEGIN IMMEDIATE")
                await other.execute("PRAGMA busy_timeout = 60000")
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    await other.execute("BEGIN IMMEDIATE")
                return world.time()

    waited = run_world(main).result
    assert waited is not None
    assert 60 <= waited < 61


def test_errors_and_rows_are_sqlites_own() -> None:
    """What a statement raises or returns is what it would outside."""

    async def program(world: World) -> list[tuple[int, str]]:
        async with aiosqlite.connect(":memory:") as database:
            with pytest.raises(sqlite3.OperationalError, match="no such table"):
                await database.execute("SELECT * FROM orders")
            await database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, sku TEXT)")
            await database.executemany("INSERT INTO orders (sku) VALUES (?)", [("tea",), ("jam",)])
            await database.commit()
            with pytest.raises(sqlite3.IntegrityError):
                await database.execute("INSERT INTO orders VALUES (1, 'tea')")
            async with database.execute("SELECT * FROM orders ORDER BY id") as rows:
                return [row async for row in rows]

    outcome = run_world(program)
    assert outcome.error is None
    assert outcome.problems == []
    assert outcome.result == [(1, "tea"), (2, "jam")]


async def commit_with_rows_unread(path: Path) -> str:
    """What sqlite3 says of a commit while the rows of a statement that writes are not read."""
    async with aiosqlite.connect(path, isolation_level=None) as database:
        await database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, sku TEXT)")
        await database.execute("BEGIN IMMEDIATE")
        await database.execute("INSERT INTO orders (sku) VALUES ('tea') RETURNING id")
        try:
            await database.commit()
        except sqlite3.OperationalError as error:
            return str(error)
    return "committed"


def test_a_statement_in_progress_forbids_a_commit_as_outside(tmp_path: Path) -> None:
    """The cursor of the last call lives on in the connection's thread; so it does in a world."""

    async def program(world: World) -> str:
        said = await commit_with_rows_unread(tmp_path / "inside.db")
        assert world.time() < 1, "nobody waits for a statement of their own"
        return said

    outside = asyncio.run(commit_with_rows_unread(tmp_path / "outside.db"))
    assert outside == "cannot commit transaction - SQL statements in progress"
    assert run_world(program).result == outside


async def set_no_isolation_level(path: Path) -> None:
    async with aiosqlite.connect(path) as database:
        database.isolation_level = "IMMEDIATE"
        with pytest.raises(sqlite3.ProgrammingError, match="only be used in that same thread"):
            database.isolation_level = None


def test_an_open_connection_keeps_its_transactions_as_outside(tmp_path: Path) -> None:
    """isolation_level = None would commit, in the wrong thread: an error outside and in a world."""

    async def program(world: World) -> None:
        await set_no_isolation_level(tmp_path / "inside.db")

    asyncio.run(set_no_isolation_level(tmp_path / "outside.db"))
    assert run_world(program).error is None


def test_aiosqlite_is_itself_again_outside() -> None:
    """After the worlds its connections have their real threads."""
    run_world(three_buyers)

    async def main() -> list[tuple[int]]:
        async with aiosqlite.connect(":memory:") as database:
            return list(await database.execute_fetchall("SELECT 1"))

    assert asyncio.run(main()) == [(1,)]


async def read_and_buy(world: World) -> tuple[int, bool]:
    with shop(stock=1) as path:
        async with aiosqlite.connect(path) as reader, aiosqlite.connect(path) as writer:
            await writer.execute_fetchall("PRAGMA journal_mode = WAL")
            reading = asyncio.create_task(reader.execute_fetchall("SELECT left FROM stock"))
            await writer.execute("UPDATE stock SET left = 0")
            await writer.commit()
            late = not reading.done()
            [(left,)] = await reading
            return left, late


def test_what_an_answer_says_may_be_past_when_it_arrives() -> None:
    """As from a thread: what was seen is on its way while others commit."""
    answers = set()
    for seed in range(300):
        result = run_world(read_and_buy, seed=seed).result
        assert result is not None
        answers.add(result)
    assert (1, True) in answers, "somebody has seen 1, and hears of it when there is 0"
    assert (1, False) in answers
    assert (0, True) in answers


async def open_two_and_close_one(world: World) -> tuple[int, int, int]:
    with shop(stock=1) as path:
        one, two = await aiosqlite.connect(path), await aiosqlite.connect(path)
        counts = [left_open(world)]
        for connection in (one, two):
            await connection.close()
            counts.append(left_open(world))
        return counts[0], counts[1], counts[2]


def test_connections_that_nobody_has_closed_are_counted() -> None:
    assert run_world(open_two_and_close_one).result == (2, 1, 0)
