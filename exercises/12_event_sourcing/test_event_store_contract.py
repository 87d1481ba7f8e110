"""Grades event_store.py live: one contract, on SQLite and on PostgreSQL.

On SQLite it is your EventStore. On PostgreSQL it is one of the course, whose subscription is your
`follow`: there positions have gaps, and are committed out of order.

`pytest exercises/12/event_store --live`
"""

import asyncio
import sqlite3
from contextlib import asynccontextmanager

import pytest

from autograder.grading.benches.postgres_store import PostgresStore

pytestmark = [pytest.mark.live, pytest.mark.points(0)]
POLL = 0.02
PATIENCE = 60.0
"""Seconds of real time that a condition is waited for; it is true much sooner."""


class OnSqlite:
    """The learner's store, and a console of SQLite beside it."""

    def __init__(self, submission, path):
        self.path = path
        self.store = submission.EventStore(path, poll=POLL)

    async def __aenter__(self):
        await self.store.__aenter__()
        return self

    async def __aexit__(self, *exc):
        await self.store.__aexit__(*exc)

    async def execute(self, sql):
        console = sqlite3.connect(self.path, timeout=PATIENCE)
        try:
            with console:
                console.execute(sql)
        finally:
            console.close()

    def __getattr__(self, name):
        return getattr(self.store, name)


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def run(request, submission, tmp_path):
    """Runs a scene on a new store, and ends it if it hangs."""
    if request.param == "SQLite":
        made = OnSqlite(submission, tmp_path / "events.db")
    else:
        made = PostgresStore(submission, request.getfixturevalue("database_url"), poll=POLL)

    async def on_store(scene):
        async with asyncio.timeout(PATIENCE), made as store:
            await scene(store)

    return lambda scene: asyncio.run(on_store(scene))


@pytest.fixture
def event(submission):
    """Makes an event by its id."""
    return lambda id, type="OrderPlaced": submission.Event(id, type, {"order_id": "o-1", "n": 1})


class Listener:
    """Takes what a subscription yields."""

    def __init__(self, events):
        self.seen = []
        self._events = events
        self._more = asyncio.Event()

    async def take(self):
        async for one in self._events:
            self.seen.append(one)
            self._more.set()

    async def until(self, count):
        """Wait until so many are seen; the time that a scene may take bounds it."""
        while len(self.seen) < count:
            self._more.clear()
            await self._more.wait()


@asynccontextmanager
async def subscribed(store, after):
    """Somebody who listens to a store; what goes wrong with that is raised here."""
    events = store.subscribe(after)
    listener = Listener(events)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(listener.take())
        yield listener
        task.cancel()
    if hasattr(events, "aclose"):
        await events.aclose()


def test_a_store_keeps_streams(run, submission, event):
    """Events are stored with positions and versions, and found by stream and in the log."""

    async def scene(store):
        first = await store.append("order-o-1", [event("a"), event("b", "StockReserved")], 0)
        second = await store.append("order-o-2", [event("c")], 0)
        third = await store.append("order-o-1", [event("d")], 2)
        everything = [*first, *second, *third]
        assert [(one.stream, one.version, one.id) for one in everything] == [
            ("order-o-1", 1, "a"),
            ("order-o-1", 2, "b"),
            ("order-o-2", 1, "c"),
            ("order-o-1", 3, "d"),
        ]
        positions = [one.position for one in everything]
        assert positions == sorted(set(positions)), f"positions do not rise: {positions}"
        assert first[0].data == {"order_id": "o-1", "n": 1}
        assert await store.read_all() == everything
        assert await store.read_all(after=positions[0], limit=2) == everything[1:3]
        assert await store.read_stream("order-o-1", from_version=2) == [first[1], *third]
        assert await store.read_stream("order-o-9") == []

    run(scene)


def test_one_of_many_wins(run, submission, event):
    """Of eight appends that expect the same version, one is done, and seven are refused."""

    async def scene(store):
        answers = await asyncio.gather(
            *(store.append("order-o-1", [event(f"by {name}")], 0) for name in range(8)),
            return_exceptions=True,
        )
        refused = [one for one in answers if isinstance(one, submission.WrongExpectedVersion)]
        stored = [one for one in answers if not isinstance(one, BaseException)]
        assert (len(stored), len(refused)) == (1, 7), answers
        assert {(one.expected, one.actual) for one in refused} == {(0, 1)}
        assert await store.read_all() == stored[0]

    run(scene)


def test_the_same_append_is_done_once(run, event):
    """The same append again, also at the same moment, returns what the first one did."""

    async def scene(store):
        once = [event("a"), event("b")]
        answers = await asyncio.gather(*(store.append("order-o-1", once, 0) for _ in range(5)))
        await store.append("order-o-1", [event("c")], 2)
        answers.append(await store.append("order-o-1", once, 7))
        assert all(answer == answers[0] for answer in answers), answers
        assert [one.id for one in await store.read_all()] == ["a", "b", "c"]

    run(scene)


def test_an_append_is_seen_whole(run, event):
    """Who reads while others append sees all three events of an append, or none of them."""

    async def scene(store):
        async def write(order):
            for number in range(10):
                three = [event(f"{order}/{number}/{part}") for part in "abc"]
                await store.append(f"order-o-{order}", three, 3 * number)

        writing = asyncio.gather(*(write(order) for order in range(4)))
        while not writing.done():
            log = await store.read_all()
            assert len(log) % 3 == 0, f"{len(log)} events were seen; they come three at a time"
        await writing
        assert len(await store.read_all()) == 120

    run(scene)


@pytest.mark.parametrize("sql", ["UPDATE events SET type = 'OrderCancelled'", "DELETE FROM events"])
def test_history_stays(run, event, sql):
    """UPDATE and DELETE fail, whoever sends them."""

    async def scene(store):
        stored = await store.append("order-o-1", [event("a")], 0)
        refused = False
        try:
            await store.execute(sql)
        except Exception:
            refused = True
        assert refused, f"somebody's console was allowed to say: {sql}"
        assert await store.read_all() == stored

    run(scene)


def test_a_subscription_catches_up_and_goes_on(run, submission, event):
    """A subscription yields what is there, then what six others append, each event once."""

    async def scene(store):
        async def write(order):
            for number in range(10):
                await store.append(f"order-o-{order}", [event(f"{order}/{number}")], number)
                # In vain, and on PostgreSQL it may take a position that stays empty.
                with pytest.raises(submission.WrongExpectedVersion):
                    await store.append(f"order-o-{order}", [event(f"{order}/late")], number)

        early = await store.append("order-o-1", [event("a"), event("b"), event("c")], 0)
        async with subscribed(store, after=early[0].position) as listener:
            await listener.until(2)
            await asyncio.gather(*(write(order) for order in range(10, 16)))
            await listener.until(62)
            assert listener.seen == await store.read_all(after=early[0].position)

    run(scene)
