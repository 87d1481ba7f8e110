"""Grades optimistic_inventory.py: on SQLite in simulated worlds, and live on PostgreSQL."""

import asyncio
import re
import shutil
import sqlite3

import aiosqlite
import pytest

from autograder.grading import mistake
from autograder.grading.stock_tables import BUY, SCHEMA, StockTables
from autograder.services import sqlite_face
from autograder.simulation import simulate

LONG = 300.0
"""Seconds after which what has not ended will not end."""


def price_of(counts):
    """What the price service answers: the fewer there are, the dearer."""
    return sum(10_000 // (1 + count) for count in counts.values())


async def quote(counts):
    """The price service; it takes its time."""
    await asyncio.sleep(0.1)
    return price_of(counts)


async def refused(submission, *args, **options):
    """The name of the exception with which reserve said no; None if it said yes."""
    try:
        await submission.reserve(*args, **options)
    except (submission.SoldOut, submission.Conflict) as error:
        return type(error).__name__
    return None


async def left_alone(db, shop, after):
    """There is no transaction on `db` any more, and nobody has to wait for one."""
    assert not db.in_transaction, f"reserve {after}, and left a transaction open on db"
    await asyncio.wait_for(shop.rival_buys("radio"), LONG)


def name_of(statements):
    """Which mistake made a decision go stale, by what was read after somebody else had written."""
    again = [
        sql for sql in statements if re.match(r"\s*(WITH|SELECT)\b.*\bstock\b", sql, re.I | re.S)
    ]
    return "read-outside-transaction" if again else "no-version-check"


async def it_takes_what_was_ordered(submission, shop):
    """shop: lamp=5, kettle=2, radio=9."""
    db = await shop.connection()
    price = await submission.reserve(db, "order 1", {"lamp": 2, "kettle": 1}, quote)
    stock, prices = await shop.stock(), await shop.prices()
    assert stock == {"kettle": (1, 2), "lamp": (3, 2), "radio": (9, 1)}, (
        "of 5 lamps, 2 kettles and 9 radios, 2 lamps and a kettle were ordered; stock is now, "
        f"as (available, version): {stock}"
    )
    expected = price_of({"lamp": 5, "kettle": 2})
    assert prices == {"order 1": expected}, (
        f"the price service said {expected}, and reservations is {prices}"
    )
    assert price == expected, f"the price is {expected}, and reserve returned {price!r}"
    await left_alone(db, shop, "returned")


async def a_refused_order_changes_nothing(submission, shop):
    """shop: lamp=5, kettle=1, radio=9."""
    db = await shop.connection()
    for items in (
        {"kettle": 2},
        {"lamp": 1, "kettle": 2},
        {"unicorn": 1},
        {"lamp": 1, "unicorn": 1},
    ):
        before = await shop.stock()
        said = await refused(submission, db, "order 1", items, quote)
        assert said == "SoldOut", (
            f"an order for {items} ended with {said or 'a reservation'}; there are 5 lamps, "
            "1 kettle and no unicorn"
        )
        after = await shop.stock()
        assert after == before, mistake(
            "half-reserved",
            f"An order for {items} was refused; stock was {before}, and is {after}.",
        )
        assert not await shop.prices(), "an order was refused, and there is a reservation for it"
        await left_alone(db, shop, "refused an order")


async def a_price_is_asked_for_again(submission, shop):
    """shop: lamp=5, kettle=2, radio=9."""
    db, asked, statements = await shop.connection(), [], []

    async def disturbed(counts):
        asked.append(dict(counts))
        if len(asked) == 1:
            await shop.rival_buys("lamp")
            if isinstance(db, aiosqlite.Connection):
                await db.set_trace_callback(statements.append)
        return await quote(counts)

    price = await submission.reserve(db, "order 1", {"lamp": 2, "kettle": 1}, disturbed)
    assert asked[0] == {"lamp": 5, "kettle": 2}, (
        f"there were 5 lamps and 2 kettles, and the price service was told {asked[0]}"
    )
    fresh = price_of({"lamp": 4, "kettle": 2})
    assert price == fresh, mistake(
        name_of(statements),
        f"While the price service was thinking about 5 lamps, somebody bought one. The order was "
        f"made all the same, for {price}; with 4 lamps left it costs {fresh}.",
    )
    stock, prices = await shop.stock(), await shop.prices()
    assert stock == {"kettle": (1, 2), "lamp": (2, 3), "radio": (9, 1)}, (
        "of 5 lamps and 2 kettles somebody bought a lamp, and then 2 lamps and a kettle were "
        f"ordered; stock is now, as (available, version): {stock}"
    )
    assert prices == {"order 1": fresh}, f"reservations is {prices}; the price is {fresh}"


async def it_gives_up_in_the_end(submission, shop):
    """shop: lamp=99, kettle=9, radio=9. Somebody else is faster every time."""
    db, asked, enough = await shop.connection(), 0, asyncio.Event()

    async def always_disturbed(counts):
        nonlocal asked
        asked += 1
        if asked > 50:
            enough.set()
            await asyncio.sleep(LONG)
        await shop.rival_buys("lamp")
        return price_of(counts)

    task = asyncio.create_task(
        refused(submission, db, "order 1", {"kettle": 1, "lamp": 2}, always_disturbed, attempts=3)
    )
    watching = asyncio.create_task(enough.wait())
    await asyncio.wait([task, watching], timeout=LONG, return_when=asyncio.FIRST_COMPLETED)
    watching.cancel()
    assert asked <= 50, mistake(
        "retries-forever", "With attempts=3, and a rival who is always faster, it tried 50 times."
    )
    assert task.done(), f"it tried {asked} times, and has not ended after {LONG:.0f} s"
    said = task.result()
    assert said == "Conflict", (
        f"somebody else was faster every time, and reserve ended with {said or 'a reservation'} "
        "instead of Conflict"
    )
    assert asked == 3, f"attempts=3, and the price service was asked {asked} times"
    stock = await shop.stock()
    assert stock["lamp"] == (99 - asked, 1 + asked), (
        f"{asked} lamps were bought by somebody else, and lamp is (available, version): "
        f"{stock['lamp']}; there were 99"
    )
    assert stock["kettle"] == (9, 1), mistake(
        "half-reserved", f"It gave up, and kettle is {stock['kettle']}; it was (9, 1)."
    )
    assert not await shop.prices(), "it gave up, and there is a reservation"
    await left_alone(db, shop, "gave up")


async def many_customers_at_once(submission, shop, pause=asyncio.sleep):
    """shop: lamp=2, kettle=9, radio=9."""
    tasks = []
    for name in ("ada", "bob", "cem", "dia"):
        coming = refused(submission, await shop.connection(), name, {"lamp": 1}, quote, attempts=9)
        tasks.append(asyncio.create_task(coming, name=name))
        await pause(0)
    await asyncio.wait(tasks, timeout=LONG)
    assert all(task.done() for task in tasks), "four customers, and some of their orders never end"
    said = [task.result() for task in tasks]
    stock, prices = await shop.stock(), await shop.prices()
    assert said.count(None) == 2, f"there were 2 lamps, and {said.count(None)} were sold"
    assert said.count("SoldOut") == 2, (
        f"there were 2 lamps for four customers, who were told {said}"
    )
    assert stock["lamp"] == (0, 3), f"2 of 2 lamps were sold; lamp is (available, version) {stock}"
    expected = sorted(price_of({"lamp": left}) for left in (2, 1))
    assert sorted(prices.values()) == expected, (
        f"one order saw 2 lamps, and one saw the last: {expected}; the prices are {prices}"
    )


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
@simulate(seeds=2)
async def test_a_price_is_asked_for_again(world, submission, sqlite):
    """If somebody buys while the price service is thinking, the order begins again."""
    async with sqlite(lamp=5, kettle=2, radio=9) as shop:
        await a_price_is_asked_for_again(submission, shop)


@pytest.mark.points(2)
@pytest.mark.hint("Between which two of your statements must nobody come, and what keeps them out?")
@simulate(seeds=12)
async def test_somebody_is_faster_at_any_moment(world, submission, sqlite):
    """If somebody else buys the last lamp, just before any statement of yours, you do not."""
    async with sqlite(lamp=1, kettle=2, radio=9) as shop:
        db = await shop.connection()
        rival = sqlite3.connect(shop.path, timeout=0, isolation_level=None)
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
        stock = await shop.stock()
        if bought is None:
            assert said is None, f"nobody else bought anything, and reserve said {said}"
            return
        late = [sql for sql in statements[: bought - 1] if re.match(r"\s*(COMMIT|END)", sql, re.I)]
        if late:
            return  # it was made before somebody else bought
        assert said is not None, mistake(
            name_of(statements[bought - 1 :]),
            f"Somebody else bought the last lamp just before  {statements[bought - 1]}\n"
            "and it was sold once more.",
        )
        assert stock["lamp"] == (0, 2), (
            f"somebody bought the only lamp, reserve said {said}, and lamp is (available, version) "
            f"{stock['lamp']}"
        )


@pytest.mark.points(1)
@simulate(seeds=8)
async def test_many_customers_at_once(world, submission, sqlite):
    """Four customers and two lamps: two are sold, each at the price of its moment."""
    async with sqlite(lamp=2, kettle=9, radio=9) as shop:
        await many_customers_at_once(
            submission, shop, lambda _: world.pause("next customer", 0.0, 0.2)
        )


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_it_gives_up_in_the_end(world, submission, sqlite):
    """If somebody else is faster at every attempt, Conflict is raised after `attempts` of them."""
    async with sqlite(lamp=99, kettle=9, radio=9) as shop:
        await it_gives_up_in_the_end(submission, shop)


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
        await asyncio.sleep(10)
        assert not db.in_transaction, "reserve was cancelled, and left a transaction open on db"
        after = ((await shop.stock())["lamp"], (await shop.stock())["kettle"], await shop.prices())
        nothing = ((5, 1), (2, 1), {})
        everything = ((3, 2), (1, 2), {"order 1": price_of({"lamp": 5, "kettle": 2})})
        assert after in (nothing, everything), mistake(
            "half-reserved",
            "Cancelled, it left this: lamp {}, kettle {}, as (available, version), and the "
            "reservations {}.".format(*after),
        )
        assert outcome.error is not None or after == everything, (
            "reserve returned, and nothing is reserved"
        )
        await left_alone(db, shop, "was cancelled")


SCENARIOS = {
    it_takes_what_was_ordered: {"lamp": 5, "kettle": 2, "radio": 9},
    a_refused_order_changes_nothing: {"lamp": 5, "kettle": 1, "radio": 9},
    a_price_is_asked_for_again: {"lamp": 5, "kettle": 2, "radio": 9},
    it_gives_up_in_the_end: {"lamp": 99, "kettle": 9, "radio": 9},
    many_customers_at_once: {"lamp": 2, "kettle": 9, "radio": 9},
}


@pytest.mark.live
@pytest.mark.points(0)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_it_holds_on_postgresql(submission, database_url, scenario):
    """The same holds on PostgreSQL."""

    async def connect():
        return await sqlite_face.connect(database_url)

    async def run():
        db = await connect()
        for statement in SCHEMA:
            await db.execute(statement)
        await db.close()
        async with StockTables(connect, **SCENARIOS[scenario]) as shop:
            await scenario(submission, shop)

    asyncio.run(run())
