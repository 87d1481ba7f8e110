"""Code written for aiosqlite runs on PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import Any

import aiosqlite
import pytest

from autograder.services import sqlite_face


@pytest.mark.parametrize(
    ("sql", "parameters", "expected"),
    [
        ("SELECT 1", (), ("SELECT 1", [])),
        ("WHERE a = ? AND b = ?", (1, "x"), ("WHERE a = $1 AND b = $2", [1, "x"])),
        ("WHERE a = ?2 AND b = ?1", (1, "x"), ("WHERE a = $1 AND b = $2", ["x", 1])),
        ("a - :n, a >= :n", {"n": 3}, ("a - $1, a >= $2", [3, 3])),
        ("WHERE a = 'who?' AND b = ?", (1,), ("WHERE a = 'who?' AND b = $1", [1])),
        ("SELECT a::text, ?", (1,), ("SELECT a::text, $1", [1])),
    ],
)
def test_placeholders_are_rewritten(sql: str, parameters: Any, expected: Any) -> None:
    assert sqlite_face.rewritten(sql, parameters) == expected


async def conversation(db: Any) -> list[object]:
    """What a connection says when it is asked all kinds of things."""
    said: list[object] = []
    await db.execute("CREATE TABLE things (name TEXT PRIMARY KEY, n INTEGER NOT NULL)")
    await db.commit()
    cursor = await db.execute("INSERT INTO things VALUES (?, ?)", ("lamp", 3))
    said += [cursor.rowcount, db.in_transaction]
    await db.rollback()
    said += [db.in_transaction, await db.execute_fetchall("SELECT * FROM things")]
    await db.executemany("INSERT INTO things VALUES (?, ?)", [("lamp", 3), ("kettle", 1)])
    await db.commit()
    update = "UPDATE things SET n = n - :less WHERE name = :name AND n >= :less"
    said.append((await db.execute(update, {"less": 2, "name": "lamp"})).rowcount)
    said.append((await db.execute(update, {"less": 2, "name": "lamp"})).rowcount)
    await db.commit()
    async with db.execute("SELECT name, n FROM things ORDER BY name") as cursor:
        said.append([row async for row in cursor])
    async with db.execute("SELECT n FROM things WHERE name = ?", ["nothing"]) as cursor:
        said.append(await cursor.fetchone())
    await db.execute("BEGIN IMMEDIATE")
    said.append(db.in_transaction)
    await db.execute("DELETE FROM things")
    await db.execute("ROLLBACK")
    said += [db.in_transaction, len(await db.execute_fetchall("SELECT * FROM things"))]
    return said


EXPECTED = [1, True, False, [], 1, 0, [("kettle", 1), ("lamp", 1)], None, True, False, 2]


async def test_sqlite_says_what_is_expected() -> None:
    async with aiosqlite.connect(":memory:") as db:
        assert await conversation(db) == EXPECTED


@pytest.mark.live
def test_postgresql_says_the_same(database_url: str) -> None:
    async def talk() -> list[object]:
        async with await sqlite_face.connect(database_url) as db:
            return await conversation(db)

    assert asyncio.run(talk()) == EXPECTED


@pytest.mark.live
def test_begin_immediate_keeps_others_out_who_write(database_url: str) -> None:
    async def talk() -> list[object]:
        said: list[object] = []
        async with (
            await sqlite_face.connect(database_url) as db,
            await sqlite_face.connect(database_url) as other,
        ):
            await db.execute("CREATE TABLE things (name TEXT PRIMARY KEY)")
            await other.execute("SET lock_timeout = '1ms'")
            await db.execute("BEGIN IMMEDIATE")
            said.append(len(await other.execute_fetchall("SELECT * FROM things")))
            with pytest.raises(Exception, match="lock timeout"):
                await other.execute("INSERT INTO things VALUES ('lamp')")
            await other.rollback()
            await db.rollback()
            said.append((await other.execute("INSERT INTO things VALUES ('lamp')")).rowcount)
            await other.rollback()
        return said

    assert asyncio.run(talk()) == [0, 1]


@pytest.mark.live
def test_what_was_asked_is_carried_out_though_nobody_waits(database_url: str) -> None:
    async def talk() -> list[object]:
        async with await sqlite_face.connect(database_url) as db:
            await db.execute("CREATE TABLE things (name TEXT PRIMARY KEY)")
            db.before_each = lambda sql: asking.cancel() and None

            async def insert() -> None:
                await db.execute("INSERT INTO things VALUES ('lamp')")

            asking = asyncio.create_task(insert())
            await asyncio.wait([asking])
            db.before_each = None
            said: list[object] = [asking.cancelled()]  # the BEGIN may be done by now, or not yet
            await db.rollback()  # in line behind the BEGIN and the INSERT
            said += [db.in_transaction, await db.execute_fetchall("SELECT * FROM things")]
        return said

    assert asyncio.run(talk()) == [True, False, []]
