"""Grades event_store.py: appends that are killed or cancelled, and several tasks at one store."""

import asyncio
import sqlite3

import pytest

from autograder.grading import mistake
from autograder.grading.benches.late_log import Listener
from autograder.grading.benches.order_events import NEVER, order_files
from autograder.simulation import simulate

LONG = 60.0


@pytest.fixture
def orders(tmp_path, monkeypatch):
    """Makes scenes: each has a file of its own that is not there yet."""
    return order_files(tmp_path, monkeypatch)


@pytest.mark.points(3)
@pytest.mark.hint(
    "What is in the file if nothing comes after this await any more, not even finally?"
)
@simulate(seeds=1, at_every_await=True)
async def test_killed_anywhere_an_append_is_whole(world, submission, orders):
    """If a program is killed, at any await, its append is there or not; another one repeats it."""
    async with orders(world, submission) as shop:
        events = shop.events("o-1", 3)

        async def program():
            async with submission.EventStore(shop.path, poll=NEVER) as store:
                return await store.append("order-o-1", events, 0)

        outcome = await world.killed(program(), "the shop")
        said = "A program was killed" if outcome.fired else "A program has ended"
        store = await shop.open()
        there = shop.must_be_whole("o-1", 3, said)
        again = await shop.tried(store, "o-1", events, 0)
        assert isinstance(again, list) or not there, mistake(
            "conflicts-with-itself",
            f"{said} after its append was stored. Another one sent the same append, and was told "
            f"{again!r}.",
        )
        assert isinstance(again, list), f"{said}, nothing was stored, and then: {again!r}"
        said = f"{said}, and another one sent the same append"
        assert shop.must_be_whole("o-1", 3, said), f"{said}, and its events are not there"
        shop.must_keep_history(f"{said}. ")
        await shop.append(store, "o-1", 1, 3)


@pytest.mark.points(3)
@pytest.mark.hint("A rollback on every way out. And who reads while a transaction is open?")
@simulate(seeds=1, at_every_await=True)
async def test_cancelled_anywhere_an_append_is_whole(world, submission, orders):
    """If append is cancelled, at any await, all of it is there or nothing; the store goes on."""
    async with orders(world, submission) as shop:
        store, other = await shop.open(), await shop.open()
        listener = Listener(store.subscribe())
        over, seen = asyncio.Event(), set()

        async def read():
            for _ in range(300):
                seen.update(event.id for event in await store.read_all())
                if over.is_set():
                    break

        reading = asyncio.create_task(read(), name="a reader")
        neighbour = asyncio.create_task(shop.append(store, "o-2", 2), name="a neighbour")
        await asyncio.sleep(0)
        events = shop.events("o-1", 3)
        try:
            outcome = await world.interrupted(
                store.append("order-o-1", shop.known(store, events), 0)
            )
            said = "append was cancelled" if outcome.fired else "append has returned"
            at_once = shop.must_be_whole("o-1", 3, said)
            await ended(neighbour, f"{said}, and another append, in another task, has not ended")
        finally:
            over.set()
        assert outcome.error is None or isinstance(outcome.error, asyncio.CancelledError), (
            f"append was cancelled, and raised {outcome.error!r}"
        )
        await ended(reading, f"{said}, and somebody's read_all has not ended")
        await asyncio.sleep(10)
        listener.check()
        await listener.leave()
        there = shop.must_be_whole("o-1", 3, said)
        assert there == at_once, f"{said}, and when it had ended its events were added all the same"
        assert there or outcome.error, "append returned, and its events are not there"
        assert len(shop.ids("o-2")) == 2, (
            f"{said}; of another task's append of 2 events there are {len(shop.ids('o-2'))}"
        )
        gone = (seen | {event.id for event in listener.events}) - {row[3] for row in shop.rows()}
        assert not gone, mistake(
            "reads-uncommitted",
            f"{said}. Meanwhile somebody read {sorted(gone)} from the store, and none of it was "
            "ever committed.",
        )
        await must_go_on(shop, store, other, events, said)


async def ended(task, otherwise):
    """Wait for a task, not for ever."""
    await asyncio.wait([task], timeout=LONG)
    if not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=LONG)
        raise AssertionError(otherwise)
    return task.result()


async def must_go_on(shop, store, other, events, said):
    """Another program can append, and so can this one."""
    for who, asked, order in (("another program", other, "o-3"), ("the same store", store, "o-4")):
        appending = asyncio.create_task(shop.append(asked, order, 2), name=who)
        try:
            await ended(appending, f"{said}, and then an append by {who} did not end")
        except sqlite3.OperationalError as error:
            if "transaction" not in str(error) and "locked" not in str(error):
                raise
            told = f"{said}, and then an append by {who} raised {error!r}."
            raise AssertionError(mistake("transaction-left-open", told)) from None
        assert len(shop.ids(order)) == 2, f"{said}, and an append by {who} after it is not there"
    again = await shop.tried(store, "o-1", events, 0)
    assert isinstance(again, list), f"{said}, and the same append again was told {again!r}"
    said = f"{said}, and then the same append was sent again"
    assert shop.must_be_whole("o-1", 3, said), f"{said}, and its events are not there"


@pytest.mark.points(1)
@pytest.mark.hint("What did the read begin or take that it gives back only if it ends as usual?")
@simulate(seeds=1, at_every_await=True)
async def test_cancelled_anywhere_a_read_does_no_harm(world, submission, orders):
    """If somebody who reads is cancelled, at any await, the store goes on."""
    async with orders(world, submission) as shop:
        store, other = await shop.open(), await shop.open()
        await shop.append(store, "o-1", 3)

        async def read():
            return [len(await store.read_all()), len(await store.read_stream("order-o-1"))]

        outcome = await world.interrupted(read())
        said, shop.read_cancelled = "a read has ended", outcome.fired
        if outcome.fired:
            said = "a read was cancelled"
        assert outcome.error is None or isinstance(outcome.error, asyncio.CancelledError), (
            f"a read was cancelled, and raised {outcome.error!r}"
        )
        await must_go_on(shop, store, other, shop.events("o-1", 3), said)
        again = asyncio.create_task(read(), name="another reader")
        seen = await ended(again, f"{said}, and then another read with the same store did not end")
        assert seen == [7, 3], (
            f"{said}; then 2 programs appended 2 events each, and read_all and read_stream of "
            f"o-1 gave {seen[0]} and {seen[1]} events, expected 7 and 3"
        )


@pytest.mark.points(2)
@pytest.mark.hint("A connection has one transaction. Whose is it now?")
@simulate(seeds=8)
async def test_several_tasks_use_one_store(world, submission, orders):
    """Several tasks append with one store at once: each append is there as a whole."""
    async with orders(world, submission) as shop:
        store = await shop.open()
        await shop.append(store, "o-9", 3)
        assert len(shop.ids("o-9")) == 3, "append has returned, and its events are not there"

        async def append(order, events, version):
            await world.pause(f"a task for {order}", 0.0, 0.02)
            return await shop.tried(store, order, events, version)

        wanted = {f"o-{n}": shop.events(f"o-{n}", 3) for n in range(1, 5)}
        tasks = {
            order: asyncio.create_task(append(order, events, 0), name=f"a task for {order}")
            for order, events in wanted.items()
        }
        tasks["o-9"] = asyncio.create_task(
            append("o-9", shop.events("o-9", 2, 50), 1), name="a stale append"
        )
        await asyncio.wait(tasks.values(), timeout=LONG)
        for order, task in tasks.items():
            check_one_of_many(shop, order, task)


def check_one_of_many(shop, order, task):
    said = "Five tasks appended with one store at once"
    assert task.done(), f"{said}, and the append to {order} has not ended"
    error = task.exception()
    assert not (isinstance(error, sqlite3.OperationalError) and "transaction" in str(error)), (
        mistake("shared-transaction", f"{said}, each to its own stream, and one raised {error!r}.")
    )
    outcome, ids = task.result(), shop.ids(order)
    if order == "o-9":
        assert not isinstance(outcome, list), f"{said}, and a stale one of them was let in"
        assert len(ids) == 3, f"{said}; one to {order} was refused, and there is now {ids}"
        return
    assert isinstance(outcome, list), f"{said}, to streams of their own, and one got {outcome!r}"
    assert len(ids) == 3, mistake(
        "shared-transaction",
        f"{said}. The one of 3 events to {order} has returned, and these are there: {ids}. (The "
        "one to o-9 was refused, and rolled back.)",
    )
    found = [row[0] for row in shop.rows(order)]
    assert [event.position for event in outcome] == found, (
        f"{said}; the one to {order} returned {outcome}, and its positions are {found}"
    )


@pytest.mark.points(2)
@pytest.mark.hint("What does a SELECT see that is sent with a connection that is in a transaction?")
@simulate(seeds=8)
async def test_nobody_sees_a_part_of_an_append(world, submission, orders):
    """Whoever reads while four events are appended, with whatever store, sees all four or none."""
    async with orders(world, submission) as shop:
        store, other = await shop.open(), await shop.open()
        over = asyncio.Event()

        async def read(reader, who):
            for _ in range(200):
                if over.is_set():
                    break
                for read in (reader.read_all(), reader.read_stream("order-o-1")):
                    seen = len(list(await read))
                    committed = len(shop.ids("o-1"))
                    assert committed in (0, 4), mistake(
                        "partial-append",
                        f"While 4 events were appended, {committed} of them were committed.",
                    )
                    assert seen in (0, 4), mistake(
                        "reads-uncommitted",
                        f"While 4 events were appended, in one transaction, somebody who uses the "
                        f"{who} store read {seen} of them.",
                    )

        readers = [
            asyncio.create_task(read(reader, who), name=f"a reader of the {who} store")
            for reader, who in ((store, "same"), (other, "other"))
        ]
        await world.pause("the append", 0.001, 0.02)
        try:
            await shop.append(store, "o-1", 4)
            await asyncio.sleep(0.05)
        finally:
            over.set()
        for reader in readers:
            await ended(reader, "four events were appended, and a reader has not ended")
