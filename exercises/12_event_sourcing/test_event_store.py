"""Grades event_store.py: what is kept, and who may append.

What happens when something is interrupted is in test_event_store_faults.py, subscriptions are in
test_event_store_subscribe.py, and stores with gaps in test_event_store_follow.py.
"""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from autograder.grading import mistake
from autograder.grading.benches.forgotten import assert_none_forgotten, forgotten_connections
from autograder.grading.benches.order_events import order_files
from autograder.simulation import simulate
from autograder.simulation.sqlite import left_open


@pytest.fixture
def orders(tmp_path, monkeypatch):
    """Makes scenes: each has a file of its own that is not there yet."""
    return order_files(tmp_path, monkeypatch)


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_what_is_appended_can_be_read(world, submission, orders):
    """What was appended can be read, by stream and by position, also by another program."""
    with forgotten_connections() as forgotten:
        async with orders(world, submission) as shop:
            store = await shop.open()
            assert list(await store.read_all()) == [], "nothing was appended, and there are events"
            first = await shop.append(store, "o-1", 2)
            second = await shop.append(store, "o-2", 3)
            third = await shop.append(store, "o-1", 1, 2)
            everything = first + second + third
            placed = shop.events("o-1", 3)
            for event, stored in zip(placed, first + third, strict=True):
                assert (stored.id, stored.type, dict(stored.data)) == (
                    event.id, event.type, event.data
                ), f"appended was {event}, and stored is {stored}"  # fmt: skip
            assert [(e.stream, e.version) for e in everything] == [
                ("order-o-1", 1), ("order-o-1", 2), ("order-o-2", 1), ("order-o-2", 2),
                ("order-o-2", 3), ("order-o-1", 3),
            ], f"the versions of each stream are 1, 2, 3; append returned {everything}"  # fmt: skip
            positions = [event.position for event in everything]
            assert [0, *positions] == sorted({0, *positions}), (
                f"positions only rise, from 1 on; in the order of the appends: {positions}"
            )
            for reader in (store, await shop.open()):
                await check_reads(shop, reader, first + third, everything)
            rows = [(e.position, e.stream, e.version, e.id, e.type, e.data) for e in everything]
            assert shop.rows() == rows, f"appended was {rows}; the table `events` has {shop.rows()}"
    still = left_open(world)
    assert still == 0, f"two stores were opened and left, and {still} connections are still open"
    assert_none_forgotten(forgotten, "two stores were opened and left")


async def check_reads(shop, store, stream, everything):
    name, middle = stream[0].stream, everything[2].position
    for call, read, expected in (
        (f"read_stream({name!r})", store.read_stream(name), stream),
        (f"read_stream({name!r}, 2)", store.read_stream(name, 2), stream[1:]),
        (f"read_stream({name!r}, 4)", store.read_stream(name, 4), []),
        ("read_stream('order-o-9')", store.read_stream("order-o-9"), []),
        ("read_all()", store.read_all(), everything),
        (f"read_all({middle})", store.read_all(middle), everything[3:]),
        ("read_all(0, 2)", store.read_all(0, 2), everything[:2]),
        ("read_all(0, 0)", store.read_all(0, 0), []),
        (f"read_all({middle}, 9)", store.read_all(middle, 9), everything[3:]),
    ):
        found = shop.of_one_kind(await read)
        assert found == expected, f"{call} gave {found}, expected {expected}"


@pytest.mark.points(1)
@pytest.mark.hint("PRAGMA journal_mode answers with a row. Who fetches it? And IF NOT EXISTS.")
@simulate(seeds=10)
async def test_several_programs_open_a_new_file(world, submission, orders):
    """Several programs may open a file at once that is not there yet, and use it at once."""
    async with orders(world, submission) as shop:

        async def program(number):
            await world.pause(f"program {number}", 0.0, 0.02)
            store = await shop.open()
            await shop.append(store, f"o-{number}", 2)

        tasks = [asyncio.create_task(program(n), name=f"program {n}") for n in range(3)]
        await asyncio.wait(tasks)
        for task in tasks:
            task.result()
        there = [len(shop.ids(f"o-{number}")) for number in range(3)]
        assert there == [2, 2, 2], f"three programs appended 2 events each, and there are {there}"


@pytest.mark.points(2)
@pytest.mark.hint("With what do you compare expected_version? It may be too high, too.")
@simulate(seeds=1)
async def test_a_stale_append_is_refused(world, submission, orders):
    """If the stream is at another version than expected, WrongExpectedVersion says at which."""
    async with orders(world, submission) as shop:
        store = await shop.open()
        await shop.append(store, "o-1", 3)
        before = shop.rows()
        for order, expected, actual in (
            ("o-1", 2, 3), ("o-1", 0, 3), ("o-1", 5, 3), ("o-2", 1, 0)
        ):  # fmt: skip
            events = shop.events(order, 2, first=40 + expected)
            outcome = await shop.tried(store, order, events, expected)
            if isinstance(outcome, list):
                assert expected < actual, mistake(
                    "hole-in-the-stream",
                    f"The stream is at version {actual}, an append expected {expected}, and was "
                    f"let in: the versions are now {shop.versions(order)}.",
                )
                raise AssertionError(
                    mistake(
                        "no-expected-version",
                        f"The stream is at version {actual}, an append expected {expected}, and "
                        "was let in. What it was decided on is no more.",
                    )
                )
            assert (outcome.stream, outcome.expected, outcome.actual) == (
                f"order-{order}", expected, actual,
            ), f"{outcome!r}; it is at {actual}, and {expected} was expected"  # fmt: skip
            assert shop.rows() == before, "an append was refused, and it has changed the events"
        await shop.append(store, "o-1", 1, 3)


@pytest.mark.points(3)
@pytest.mark.hint("You looked at the version. What may happen before you insert?")
@simulate(seeds=14)
async def test_of_two_writers_one_wins(world, submission, orders):
    """Three programs append to one stream at once, with one expectation: one of them may."""
    async with orders(world, submission) as shop:
        stores = [await shop.open() for _ in range(3)]
        await shop.append(stores[0], "o-1", 2)
        stale = await shop.tried(stores[1], "o-1", shop.events("o-1", 1, 90), 1)
        assert not isinstance(stale, list), mistake(
            "no-expected-version",
            "The stream is at version 2, an append expected 1, and was let in.",
        )

        async def append(number):
            await world.pause(f"program {number}", 0.0, 0.02)
            events = shop.events("o-1", 2, 10 * (number + 1))
            return await shop.tried(stores[number], "o-1", events, 2)

        tasks = [asyncio.create_task(append(n), name=f"program {n}") for n in range(3)]
        await asyncio.wait(tasks)
        outcomes = [task.result() for task in tasks]
        winners = [outcome for outcome in outcomes if isinstance(outcome, list)]
        assert len(winners) <= 1, mistake(
            "check-then-act",
            f"The stream was at version 2, and {len(winners)} programs that expected 2 were let "
            f"in. The versions are {shop.versions('o-1')}.",
        )
        assert len(winners) == 1, (
            f"the stream was at version 2, three programs expected 2, and nobody was let in: "
            f"{outcomes}"
        )
        assert shop.versions("o-1") == [1, 2, 3, 4], (
            f"2 events and one append of 2 more; the versions are {shop.versions('o-1')}"
        )
        for error in outcomes:
            if not isinstance(error, list):
                assert (error.expected, error.actual) == (2, 4), (
                    f"{error!r}: it was 2 that was expected, and the stream is at 4 since the "
                    "other append"
                )


@pytest.mark.points(2)
@pytest.mark.hint("Which question comes first: is it there already, or is the version right?")
@simulate(seeds=1)
async def test_the_same_append_again_adds_nothing(world, submission, orders):
    """The same append again returns what the first one did, whatever the version is by now."""
    async with orders(world, submission) as shop:
        store, other = await shop.open(), await shop.open()
        await shop.append(store, "o-1", 1)
        first = await shop.append(store, "o-1", 2, 1)
        events = shop.events("o-1", 2, 2)
        for what in ("at once", "after another append", "by another program", "expecting 9"):
            if what == "after another append":
                await shop.append(other, "o-1", 1, 3)
            asked = other if what == "by another program" else store
            again = await shop.tried(asked, "o-1", events, 9 if what == "expecting 9" else 1)
            assert isinstance(again, list), mistake(
                "conflicts-with-itself",
                f"The same append came again, {what}, and {again!r} was raised. Its events are in "
                "the stream: it was told that it failed, and it has not.",
            )
            ids = shop.ids("o-1")
            assert len(ids) == len(set(ids)), mistake(
                "not-idempotent",
                f"The same append came again, {what}, and the stream has these events: {ids}",
            )
            assert again == first, (
                f"the same append came again, {what}; the first time it returned {first}, and now "
                f"{again}"
            )


@pytest.mark.points(2)
@pytest.mark.hint("You looked for the ids. What may happen before you insert?")
@simulate(seeds=10)
async def test_the_same_append_twice_at_once(world, submission, orders):
    """The same append by two programs at one moment is in the log once, and both are told so."""
    async with orders(world, submission) as shop:
        stores = [await shop.open(), await shop.open()]
        await shop.append(stores[0], "o-1", 1)
        events = shop.events("o-1", 2, 2)

        async def append(number):
            await world.pause(f"program {number}", 0.0, 0.02)
            return await shop.tried(stores[number], "o-1", events, 1)

        tasks = [asyncio.create_task(append(n), name=f"program {n}") for n in range(2)]
        await asyncio.wait(tasks)
        one, two = (task.result() for task in tasks)
        ids = shop.ids("o-1")
        assert len(ids) == len(set(ids)), mistake(
            "not-idempotent",
            f"Two programs sent the same append at one moment, and the stream has {ids}",
        )
        refused = [outcome for outcome in (one, two) if not isinstance(outcome, list)]
        assert not refused, mistake(
            "conflicts-with-itself",
            f"Two programs sent the same append at one moment. It is in the log, and one of them "
            f"was told {refused[0]!r}."
            if refused
            else "",
        )
        assert one == two, f"the same append, and one was told {one}, the other one {two}"


@pytest.mark.points(2)
@pytest.mark.hint("INSERT OR REPLACE deletes a row, and no trigger for DELETE hears of it.")
@simulate(seeds=1)
async def test_history_stays_as_it_is(world, submission, orders):
    """UPDATE, DELETE and INSERT OR REPLACE of what is in `events` fail, whoever sends them."""
    async with orders(world, submission) as shop:
        store = await shop.open()
        await shop.append(store, "o-1", 3)
        shop.must_keep_history()
        await shop.append(store, "o-1", 1, 3)


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_readers_and_writers_do_not_wait(world, submission, orders):
    """A program that reads for a minute keeps nobody from appending, nor a writer from reading."""
    async with orders(world, submission) as shop:
        store = await shop.open()
        await shop.append(store, "o-1", 1)
        with closing(sqlite3.connect(shop.path, timeout=0, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT * FROM events").fetchall()
            appending = asyncio.create_task(shop.append(store, "o-1", 1, 1), name="ada")
            await asyncio.wait([appending], timeout=2)
            waited = not appending.done() or appending.exception() is not None
            other.execute("COMMIT")
            await asyncio.wait([appending])
            assert not waited, mistake(
                "readers-block-writers",
                "Another program was in the middle of reading the file, for two seconds, and "
                "append had to wait until it was done.",
            )
            appending.result()
            other.execute("BEGIN IMMEDIATE")
            reading = asyncio.create_task(store.read_all(), name="bob")
            await asyncio.wait([reading], timeout=2)
            waited = not reading.done()
            other.execute("COMMIT")
            assert not waited, "another program was writing for two seconds, and read_all waited"
            assert len(list(reading.result())) == 2
