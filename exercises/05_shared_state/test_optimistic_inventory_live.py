"""Grades optimistic_inventory.py live, on PostgreSQL: `pytest exercises/05 --live`.

What holds of any database is in `autograder/grading/benches/reservations.py`.
"""

import asyncio

import pytest

from autograder.grading.benches.reservations import (
    a_price_is_asked_for_again,
    a_refused_order_changes_nothing,
    assert_all_or_nothing,
    assert_no_transaction,
    assert_sold_once,
    it_gives_up_in_the_end,
    it_takes_what_was_ordered,
    left_alone,
    many_customers_at_once,
    quote,
    refused,
    the_price_service_fails,
)
from autograder.grading.benches.stock_tables import BUY, SCHEMA, StockTables
from autograder.services import sqlite_face

MOMENTS = range(1, 30)
"""Before which of reserve's statements something happens; it ends sooner if there are no more."""
LOCK_NOT_AVAILABLE = "55P03"


async def somebody_buys_the_first_item(submission, shop):
    await a_price_is_asked_for_again(submission, shop, "lamp")


async def somebody_buys_the_last_item(submission, shop):
    await a_price_is_asked_for_again(submission, shop, "kettle")


async def somebody_brings_one_back(submission, shop):
    await a_price_is_asked_for_again(submission, shop, "lamp", returned=True)


SCENARIOS = {
    it_takes_what_was_ordered: {"lamp": 5, "kettle": 2, "radio": 9},
    a_refused_order_changes_nothing: {"lamp": 5, "kettle": 1, "radio": 9},
    somebody_buys_the_first_item: {"lamp": 5, "kettle": 2, "radio": 9},
    somebody_buys_the_last_item: {"lamp": 5, "kettle": 2, "radio": 9},
    somebody_brings_one_back: {"lamp": 5, "kettle": 2, "radio": 9},
    the_price_service_fails: {"lamp": 5, "kettle": 2, "radio": 9},
    it_gives_up_in_the_end: {"lamp": 99, "kettle": 9, "radio": 9},
    many_customers_at_once: {"lamp": 2, "kettle": 9, "radio": 9},
}


@pytest.fixture
def shops(database_url):
    """Makes shops, one after another, in one database of a PostgreSQL server."""

    async def connect():
        return await sqlite_face.connect(database_url)

    async def empty_tables():
        async with await connect() as db:
            await db.execute("DROP TABLE IF EXISTS stock, reservations")
            for statement in SCHEMA:
                await db.execute(statement)

    async def shop(**counts):
        await empty_tables()
        return StockTables(connect, **counts)

    return shop


@pytest.mark.live
@pytest.mark.points(0)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_it_holds_on_postgresql(submission, shops, scenario):
    """The same holds on PostgreSQL."""

    async def run():
        async with await shops(**SCENARIOS[scenario]) as shop:
            await scenario(submission, shop)

    asyncio.run(run())


@pytest.mark.live
@pytest.mark.points(0)
def test_somebody_is_faster_on_postgresql(submission, shops):
    """On PostgreSQL, too: if somebody buys the last lamp just before you write, you do not."""

    async def run(moment):
        async with await shops(lamp=1, kettle=2, radio=9) as shop:
            db, rival = await shop.connection(), await shop.connection()
            # Either nobody has a lock, or it is reserve's, and reserve goes on after this.
            await rival.execute("SET lock_timeout = '1ms'")
            statements, bought = [], None

            async def before_each_statement(sql):
                nonlocal bought
                statements.append(sql)
                if len(statements) == moment:
                    bought = moment if await could(rival, BUY.format("lamp")) else None

            db.before_each = before_each_statement
            said = await refused(submission, db, "order 1", {"lamp": 1}, quote)
            db.before_each = None
            assert_sold_once(statements, bought, said, (await shop.stock())["lamp"])
            return len(statements) >= moment

    for moment in MOMENTS:
        if not asyncio.run(run(moment)):
            break


async def could(db, sql):
    """Do it, if that is possible without waiting; whether it was."""
    try:
        await db.execute(sql)
        await db.commit()
    except Exception as error:
        if getattr(error, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        await db.rollback()
        return False
    return True


@pytest.mark.live
@pytest.mark.points(0)
def test_cancelled_on_postgresql_it_is_all_or_nothing(submission, shops):
    """On PostgreSQL, too: if reserve is cancelled at any statement, all is reserved, or nothing."""

    async def run(moment):
        async with await shops(lamp=5, kettle=2, radio=9) as shop:
            db, sent = await shop.connection(), 0

            async def before_each_statement(_):
                nonlocal sent
                sent += 1
                if sent == moment:
                    reserving.cancel()

            db.before_each = before_each_statement
            order = submission.reserve(db, "order 1", {"lamp": 2, "kettle": 1}, quote)
            reserving = asyncio.create_task(order)
            await asyncio.wait([reserving])
            if not reserving.cancelled():
                reserving.result()
            assert_no_transaction(db, "was cancelled")
            made = assert_all_or_nothing(
                await shop.stock(), await shop.prices(), "reserve was cancelled"
            )
            assert made or reserving.cancelled(), "reserve returned, and nothing is reserved"
            await left_alone(db, shop, "was cancelled")
            return sent >= moment

    for moment in MOMENTS:
        if not asyncio.run(run(moment)):
            break
