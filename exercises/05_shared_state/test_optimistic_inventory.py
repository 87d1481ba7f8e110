"""Grades optimistic_inventory.py on SQLite, in simulated worlds.

What holds of any database is in `autograder/grading/benches/reservations.py`.
"""

import asyncio
import contextlib
import shutil
import sqlite3

import aiosqlite
import pytest

from autograder.grading import mistake
from autograder.grading.benches.reservations import (
    LONG,
    a_price_is_asked_for_again,
    a_refused_order_changes_nothing,
    assert_all_or_nothing,
    assert_no_transaction,
    assert_sold_once,
    it_gives_up_in_the_end,
    it_takes_what_was_ordered,
    left_alone,
    many_customers_at_once,
    price_of,
    quote,
    refused,
    the_price_service_fails,
)
from autograder.grading.benches.stock_tables import BUY, SCHEMA, StockTables
from autograder.simulation import simulate


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """An SQLite database with empty tables; making one takes longer than copying it."""
    path = tmp_path_factory.mktemp("sqlite") / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    for statement in SCHEMA:
        connection.execute(statement)
    connection.close()
    return path


@pytest.fixture
def sqlite(template, tmp_path):
    """Makes shops, each with an SQLite database of its own."""
    made = []

    def shop(**counts):
        made.append(tmp_path / f"{len(made)}.db")
        shutil.copyfile(template, made[-1])

        async def connect():
            connection = await aiosqlite.connect(made[-1])
            await connection.execute("PRAGMA synchronous = OFF")
            return connection

        opened = StockTables(connect, **counts)
        opened.path = made[-1]
        return opened

    return shop


@pytest.mark.points(2)
@simulate(seeds=2)
async def test_it_takes_what_was_ordered(world, submission, sqlite):
    """A reservation takes its items, raises their versions, and is in the table with its price."""
    async with sqlite(lamp=5, kettle=2, radio=9) as shop:
        await it_takes_what_was_ordered(submission, shop)


@pytest.mark.points(2)
@simulate(seeds=2)
async def test_a_refused_order_changes_nothing(world, submission, sqlite):
    """If there are too few of any item, SoldOut is raised, and both tables are as before."""
    async with sqlite(lamp=5, kettle=1, radio=9) as shop:
        await a_refused_order_changes_nothing(submission, shop)


@pytest.mark.points(2)
@pytest.mark.hint("What do you know of the row at the moment of the UPDATE? Let it check that.")
@simulate(seeds=3)
async def test_a_price_is_asked_for_again(world, submission, sqlite):
    """If the counts change while the price service is thinking, the order begins again."""
    what, returned = (("lamp", False), ("kettle", False), ("lamp", True))[world.seed % 3]
    async with sqlite(lamp=5, kettle=2, radio=9) as shop:
        await a_price_is_asked_for_again(submission, shop, what, returned=returned)


@pytest.mark.points(2)
@pytest.mark.hint("Between which two of your statements must nobody come, and what keeps them out?")
@simulate(seeds=12)
async def test_somebody_is_faster_at_any_moment(world, submission, sqlite):
    """If somebody else buys the last lamp, just before any statement of yours, you do not."""
    async with sqlite(lamp=1, kettle=2, radio=9) as shop:
        db = await shop.connection()
        rival = sqlite3.connect(shop.path, timeout=0, isolation_level=None)
        rival.execute("PRAGMA synchronous = OFF")
        statements = []
        moment, bought = world.seed + 1, None

        def before_each_statement(sql):
            nonlocal bought
            statements.append(sql)
            if len(statements) == moment:
                try:
                    rival.execute(BUY.format("lamp"))
                except sqlite3.OperationalError:  # the rival has to wait: it is locked
                    return
                bought = len(statements)
                world.note(f"somebody else buys the last lamp; next: {sql}")

        await db.set_trace_callback(before_each_statement)
        said = await refused(submission, db, "order 1", {"lamp": 1}, quote)
        await db.set_trace_callback(None)
        rival.close()
        assert_sold_once(statements, bought, said, (await shop.stock())["lamp"])


@pytest.mark.points(1)
@simulate(seeds=8)
async def test_many_customers_at_once(world, submission, sqlite):
    """Four customers and two lamps: two are sold, each at the price of its moment."""
    async with sqlite(lamp=2, kettle=9, radio=9) as shop:
        await many_customers_at_once(
            submission, shop, lambda _: world.pause("next customer", 0.0, 0.2)
        )


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_it_gives_up_in_the_end(world, submission, sqlite):
    """If somebody else is faster at every attempt, Conflict is raised after `attempts` of them."""
    async with sqlite(lamp=99, kettle=9, radio=9) as shop:
        await it_gives_up_in_the_end(submission, shop, (3, None, 1)[world.seed % 3])


@pytest.mark.points(1)
@pytest.mark.hint("Is a transaction open while you await the price?")
@simulate(seeds=2)
async def test_nobody_waits_for_the_price_service(world, submission, sqlite):
    """While the price service thinks for a minute, others read and write."""
    async with sqlite(lamp=5, kettle=2, radio=9) as shop:
        db, other = await shop.connection(), await shop.connection()
        await other.execute("PRAGMA busy_timeout = 50000")
        waited = []

        async def slow(counts):
            began = world.time()
            buying = asyncio.create_task(shop.rival_buys("radio"), name="somebody else")
            await asyncio.wait([buying], timeout=3)
            waited.append(
                world.time() - began if buying.done() and not buying.exception() else None
            )
            await asyncio.sleep(60)
            await asyncio.wait([buying])
            return price_of(counts)

        reserving = submission.reserve(db, "order 1", {"lamp": 1}, slow)
        await asyncio.wait([asyncio.create_task(reserving, name="ada")])
        assert waited, "the price service was never asked"
        assert waited[0] is not None, mistake(
            "global-lock",
            "The price service was thinking about a lamp, and meanwhile nobody could buy a radio.",
        )


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_without_a_price_nothing_is_reserved(world, submission, sqlite):
    """If the price service fails, nothing is reserved, and no transaction is left open."""
    async with sqlite(lamp=5, kettle=2, radio=9) as shop:
        await the_price_service_fails(submission, shop)


@pytest.mark.points(1)
@pytest.mark.hint(
    "Which exceptions can a statement of yours raise? Is there a rollback after each?"
)
@simulate(seeds=1)
async def test_a_locked_database_leaves_no_transaction_open(world, submission, sqlite):
    """If another program locks the database for longer than SQLite waits, nothing is left open."""
    async with sqlite(lamp=5, kettle=2, radio=9) as shop:
        db = await shop.connection()
        rival = sqlite3.connect(shop.path, timeout=0, isolation_level=None)

        async def locked_meanwhile(counts):
            with contextlib.suppress(sqlite3.OperationalError):  # it is locked, or so it is already
                rival.execute("BEGIN IMMEDIATE")
                world.note("another program locks the database")
            return await quote(counts)

        order = submission.reserve(db, "order 1", {"lamp": 2, "kettle": 1}, locked_meanwhile)
        task = asyncio.create_task(order, name="ada")
        await asyncio.wait([task], timeout=LONG)
        ended, error = task.done(), None
        if ended:
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
        task.cancel()
        await asyncio.wait([task])
        locked = rival.in_transaction
        rival.close()
        if not locked:
            return  # nobody could: another test says so
        assert ended, f"the database is locked, and reserve has not ended after {LONG:.0f} s"
        assert error is not None, "another program had the database locked, and reserve returned"
        stock, prices = await shop.stock(), await shop.prices()
        said = f"the database was locked, reserve raised {type(error).__name__}"
        assert not assert_all_or_nothing(stock, prices, said), f"{said}, and the order is reserved"
        await left_alone(db, shop, f"raised {type(error).__name__} as the database was locked")


@pytest.mark.points(2)
@pytest.mark.hint("A rollback after the commit does no harm, and one on every way out helps.")
@simulate(seeds=1, at_every_await=True)
async def test_cancelled_anywhere_it_is_all_or_nothing(world, submission, sqlite):
    """If reserve is cancelled, at whichever await, all of the order is reserved, or nothing."""
    async with sqlite(lamp=5, kettle=2, radio=9) as shop:
        db = await shop.connection()
        order = submission.reserve(db, "order 1", {"lamp": 2, "kettle": 1}, quote)
        outcome = await world.interrupted(order)
        assert outcome.error is None or isinstance(outcome.error, asyncio.CancelledError), (
            f"reserve was cancelled, and raised {outcome.error!r}"
        )
        with contextlib.closing(sqlite3.connect(shop.path)) as eyes:
            at_once = eyes.execute("SELECT order_id FROM reservations").fetchall()
        await asyncio.sleep(10)
        assert_no_transaction(db, "was cancelled")
        stock, prices = await shop.stock(), await shop.prices()
        ended = "reserve was cancelled" if outcome.error else "reserve returned"
        made = assert_all_or_nothing(stock, prices, ended)
        assert made == bool(at_once), (
            "reserve was cancelled, and when it had ended the order was made all the same"
        )
        assert outcome.error is not None or made, "reserve returned, and nothing is reserved"
        await left_alone(db, shop, "was cancelled")
