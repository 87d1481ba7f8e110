"""Grades event_store.py live: follow on PostgreSQL, and the store in threads of their own.

`pytest exercises/12/event_store --live`
"""

import asyncio
import gc
import random
from contextlib import asynccontextmanager

import aiosqlite
import pytest

from autograder.grading import mistake
from autograder.grading.benches.late_log import Listener
from autograder.grading.benches.postgres_log import PostgresLog

POLL = 0.02
PATIENCE = 60.0
"""Seconds of real time that a condition is waited for; it is true much sooner."""
EACH = 25


@asynccontextmanager
async def followed(submission, database_url):
    """A log in PostgreSQL, and who follows it."""
    async with PostgresLog(submission, database_url) as log:
        listener = Listener(submission.follow(log, poll=POLL))
        try:
            yield log, listener
        finally:
            await listener.leave()


async def until(condition, log):
    """Wait until a condition holds that can only change with a call to the log; or give up."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                log.changed.clear()
                await log.changed.wait()
                await asyncio.sleep(0)
    except TimeoutError:
        return


@pytest.mark.live
@pytest.mark.points(0)
def test_follow_misses_nothing_on_postgresql(submission, database_url):
    """On PostgreSQL, where 2 is committed before 1, and 3 never, follow yields 1, 2 and 4."""

    async def run():
        async with followed(submission, database_url) as (log, listener):
            late, fast = await log.writer(), await log.writer()
            await late.insert("o-1")
            await fast.insert("o-2")
            await fast.commit()
            await fast.insert("o-3")
            await fast.roll_back()
            await fast.insert("o-4")
            await fast.commit()
            by_position = [event.position for event in await log.read(0)]
            looked = log.calls
            await until(lambda: log.calls > looked + 8 or listener.events, log)
            listener.check()
            assert not listener.events, mistake(
                "gap-in-positions",
                f"Position 1 is taken by a transaction that is still running, and yielded were "
                f"{listener.positions}.",
            )
            await late.commit()
            by_position += [event.position for event in await log.read(by_position[-1])]
            assert by_position == [2, 4], f"who goes by position was to miss 1: {by_position}"
            await until(lambda: len(listener.events) >= 3, log)
            listener.check()
            assert listener.positions == [1, 2, 4], (
                f"1, 2 and 4 are committed, 3 was rolled back, and yielded are {listener.positions}"
            )

    asyncio.run(run())


@pytest.mark.live
@pytest.mark.points(0)
def test_follow_keeps_up_with_postgresql(submission, database_url):
    """On PostgreSQL, six who write side by side: each event comes once, and in order."""

    async def write(log, name, luck):
        writer = await log.writer()
        for number in range(EACH):
            await writer.insert(f"o-{name}-{number}")
            for _ in range(luck.randrange(12)):
                await writer.real.fetchval("SELECT 1")  # meanwhile others insert and commit
            await (writer.roll_back() if luck.random() < 0.2 else writer.commit())

    async def run():
        async with followed(submission, database_url) as (log, listener):
            await asyncio.gather(*(write(log, n, random.Random(n)) for n in range(6)))
            expected = [event.position for event in await log.read(0, 6 * EACH)]
            await until(lambda: expected[-1] in listener.positions, log)
            listener.check()
            missed = sorted(set(expected) - set(listener.positions))
            assert not missed, f"{len(expected)} were committed; never yielded: {missed}"
            assert listener.positions == expected, (
                f"committed are {expected}, and yielded {listener.positions}"
            )

    asyncio.run(run())


@pytest.fixture
def no_thread_left():
    """Ends the threads of connections that were not closed: pytest would wait for them for ever."""
    yield
    for thing in gc.get_objects():
        # Of its type, since isinstance() would ask a weak proxy whose object is gone.
        if issubclass(type(thing), aiosqlite.Connection):
            thing.stop()


@pytest.mark.live
@pytest.mark.points(0)
def test_programs_share_a_real_file(submission, tmp_path, no_thread_left):
    """Three programs, each with an event loop of its own, append to one file at once."""
    path = tmp_path / "events.db"

    async def append(store, name, number):
        event = submission.Event(f"{name}/{number}", "OrderPlaced", {"by": name})
        while True:
            version = len(await store.read_stream("order-o-1"))
            try:
                return await store.append("order-o-1", [event], version)
            except submission.WrongExpectedVersion:
                continue

    async def program(name):
        async with asyncio.timeout(PATIENCE), submission.EventStore(path, poll=POLL) as store:
            for number in range(EACH):
                await append(store, name, number)

    async def watch():
        seen = []
        async with asyncio.timeout(PATIENCE), submission.EventStore(path, poll=POLL) as store:
            subscription = store.subscribe()
            async for event in subscription:
                seen.append(event)
                if len(seen) == 3 * EACH:
                    break
            if hasattr(subscription, "aclose"):
                await subscription.aclose()
        return seen

    async def run():
        async with submission.EventStore(path):
            pass  # SQLite may refuse WAL mode, rarely, if several ask for it in one moment
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch())
            for name in ("ada", "bob", "cy"):
                group.create_task(asyncio.to_thread(asyncio.run, program(name)))
        return watching.result()

    seen = asyncio.run(run())
    versions = [event.version for event in seen]
    assert versions == list(range(1, 3 * EACH + 1)), (
        f"three programs appended {EACH} events each to one stream; a subscriber in a fourth was "
        f"given these versions: {versions}"
    )
    assert len({event.id for event in seen}) == 3 * EACH
