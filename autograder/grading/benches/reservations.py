"""What has to hold of a `reserve` in any database: SQLite's or PostgreSQL's.

Each scenario is handed a submission and a shop, open, with the stock that its docstring says.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import aiosqlite

from ..mistakes import mistake
from .stock_tables import StockTables

LONG = 300.0
"""Seconds after which what has not ended will not end."""


def price_of(counts: Mapping[str, int]) -> int:
    """What the price service answers: the fewer there are, the dearer."""
    return sum(10_000 // (1 + count) for count in counts.values())


async def trace(db: Any, listen: Callable[[str], None]) -> None:
    """`listen` is called with each statement on `db` from now on, just before it is carried out."""
    if isinstance(db, aiosqlite.Connection):
        await db.set_trace_callback(listen)
    else:
        db.before_each = listen


async def quote(counts: Mapping[str, int]) -> int:
    """The price service; it takes its time."""
    await asyncio.sleep(0.1)
    return price_of(counts)


async def refused(submission: ModuleType, *args: Any, **options: Any) -> str | None:
    """The name of the exception with which reserve said no; None if it said yes."""
    try:
        await submission.reserve(*args, **options)
    except (submission.SoldOut, submission.Conflict) as error:
        return type(error).__name__
    return None


def assert_no_transaction(db: Any, after: str) -> None:
    """`after` is how reserve has ended, as in "returned"."""
    assert not db.in_transaction, mistake(
        "transaction-left-open", f"reserve {after}, and left a transaction open on db."
    )


async def left_alone(db: Any, shop: StockTables, after: str) -> None:
    """There is no transaction on `db` any more, and nobody has to wait for one."""
    assert_no_transaction(db, after)
    await asyncio.wait_for(shop.rival_buys("radio"), LONG)


def name_of(statements: Sequence[str]) -> str:
    """Which mistake made a decision go stale, by what was read after somebody else had written."""
    again = [
        sql for sql in statements if re.match(r"\s*(WITH|SELECT)\b.*\bstock\b", sql, re.I | re.S)
    ]
    return "read-outside-transaction" if again else "no-version-check"


async def it_takes_what_was_ordered(submission: ModuleType, shop: StockTables) -> None:
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


async def a_refused_order_changes_nothing(submission: ModuleType, shop: StockTables) -> None:
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


async def a_price_is_asked_for_again(
    submission: ModuleType, shop: StockTables, bought: str = "lamp", *, returned: bool = False
) -> None:
    """shop: lamp=5, kettle=2, radio=9. Somebody buys the first or the last item of the order.

    Or brings one back, with ``returned``. There are two attempts, and the second one is quiet.
    """
    change, what = (+1, f"brought a {bought} back") if returned else (-1, f"bought a {bought}")
    db = await shop.connection()
    asked: list[dict[str, int]] = []
    statements: list[str] = []

    async def disturbed(counts: Mapping[str, int]) -> int:
        asked.append(dict(counts))
        if len(asked) == 1:
            await (shop.rival_returns if returned else shop.rival_buys)(bought)
            await trace(db, statements.append)
        return await quote(counts)

    order = submission.reserve(db, "order 1", {"lamp": 2, "kettle": 1}, disturbed, attempts=2)
    try:
        price = await order
    except (submission.Conflict, submission.SoldOut) as error:
        raise AssertionError(
            f"attempts=2. While the price service was thinking, somebody {what}; the second time "
            f"nobody came, and reserve raised {type(error).__name__}"
        ) from None
    before = {"lamp": 5, "kettle": 2}
    assert asked[0] == before, (
        f"there were 5 lamps and 2 kettles, and the price service was told {asked[0]}"
    )
    now = before | {bought: before[bought] + change}
    fresh = price_of(now)
    assert len(asked) > 1 or price == fresh, mistake(
        name_of(statements),
        f"While the price service was thinking about {before['lamp']} lamps and "
        f"{before['kettle']} kettles, somebody {what}. The order was made all the same, for "
        f"{price}; with {now[bought]} of them left it costs {fresh}.",
    )
    gone = {sku: count for sku, count in asked[-1].items() if count < now.get(sku, 0)}
    assert not gone, mistake(
        "half-reserved",
        f"It began again, and told the price service {asked[-1]}; there were {now}. What the first "
        "attempt had taken is still taken.",
    )
    assert price == fresh, (
        f"somebody {what}; reserve asked for the price of {asked}, the last of which is "
        f"{price}, and with {now} it is {fresh}"
    )
    stock, prices = await shop.stock(), await shop.prices()
    right = {"lamp": (3, 2), "kettle": (1, 2), "radio": (9, 1)}
    right[bought] = (right[bought][0] + change, right[bought][1] + 1)
    assert stock == right, (
        f"there were 5 lamps and 2 kettles; somebody {what}, and then 2 lamps and a kettle were "
        f"ordered; stock is now, as (available, version): {stock}"
    )
    assert prices == {"order 1": fresh}, f"reservations is {prices}; the price is {fresh}"


async def it_gives_up_in_the_end(
    submission: ModuleType, shop: StockTables, attempts: int | None = 3
) -> None:
    """shop: lamp=99, kettle=9, radio=9. Somebody else is faster every time."""
    db, asked, enough = await shop.connection(), 0, asyncio.Event()
    options = {} if attempts is None else {"attempts": attempts}
    wanted = 5 if attempts is None else attempts

    async def always_disturbed(counts: Mapping[str, int]) -> int:
        nonlocal asked
        asked += 1
        if asked > 50:
            enough.set()
            await asyncio.sleep(LONG)
        await shop.rival_buys("lamp")
        return price_of(counts)

    task = asyncio.create_task(
        refused(submission, db, "order 1", {"kettle": 1, "lamp": 2}, always_disturbed, **options)
    )
    watching = asyncio.create_task(enough.wait())
    await asyncio.wait([task, watching], timeout=LONG, return_when=asyncio.FIRST_COMPLETED)
    watching.cancel()
    assert asked <= 50, mistake(
        "retries-forever",
        f"With attempts={wanted}, and a rival who is always faster, it tried 50 times.",
    )
    assert task.done(), f"it tried {asked} times, and has not ended after {LONG:.0f} s"
    said = task.result()
    assert said == "Conflict", (
        f"somebody else was faster every time, and reserve ended with {said or 'a reservation'} "
        "instead of Conflict"
    )
    assert asked == wanted, (
        f"attempts={wanted}{'' if options else ' unless the caller says otherwise'}, and the price "
        f"service was asked {asked} times"
    )
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


async def the_price_service_fails(submission: ModuleType, shop: StockTables) -> None:
    """shop: lamp=5, kettle=2, radio=9. What it raises may come out as it is, or otherwise."""

    async def failing(_: Mapping[str, int]) -> int:
        await asyncio.sleep(0.1)
        raise OSError("the price service is down")

    db, error = await shop.connection(), None
    try:
        await submission.reserve(db, "order 1", {"lamp": 2, "kettle": 1}, failing, attempts=2)
    except Exception as raised:
        error = raised
    said = "the price service failed"
    assert error is not None, f"{said}, and reserve returned as if it had a price"
    assert not assert_all_or_nothing(await shop.stock(), await shop.prices(), said), (
        f"{said}, and the order is reserved"
    )
    await left_alone(db, shop, f"raised {type(error).__name__}")


async def many_customers_at_once(
    submission: ModuleType,
    shop: StockTables,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
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


def assert_sold_once(
    statements: Sequence[str], bought: int | None, said: str | None, lamp: tuple[int, int]
) -> None:
    """There was one lamp, and somebody else bought it just before one of reserve's statements.

    Args:
        statements: what reserve has sent.
        bought: before which of them, from 1; None if that one could not, or there was none.
        said: how reserve has ended, as `refused` tells it.
        lamp: available and version of the lamp's row.
    """
    if bought is None:
        assert said is None, f"nobody else bought anything, and reserve said {said}"
        return
    before, after = statements[: bought - 1], statements[bought - 1 :]
    if any(re.match(r"\s*(COMMIT|END)", sql, re.I) for sql in before):
        return  # it was made before somebody else bought
    assert said is not None, mistake(
        name_of(after),
        f"Somebody else bought the last lamp just before  {after[0]}\nand it was sold once more.",
    )
    assert lamp == (0, 2), (
        f"somebody bought the only lamp, reserve said {said}, and lamp is (available, version) "
        f"{lamp}"
    )


def assert_all_or_nothing(
    stock: Mapping[str, tuple[int, int]], prices: Mapping[str, int], said: str
) -> bool:
    """True if the order for 2 of 5 lamps and one of 2 kettles was made, False if nothing was.

    `said` is what has happened to it.
    """
    state = f"lamp {stock['lamp']}, kettle {stock['kettle']}, as (available, version)"
    taken = [stock["lamp"][0] < 5, stock["kettle"][0] < 2, bool(prices)]
    assert all(taken) or not any(taken), mistake(
        "half-reserved", f"{said}, and left this: {state}, and the reservations {prices}."
    )
    price = price_of({"lamp": 5, "kettle": 2})
    expected = {"order 1": price} if all(taken) else {}
    right = ((3, 2), (1, 2)) if all(taken) else ((5, 1), (2, 1))
    assert ((stock["lamp"], stock["kettle"]), prices) == (right, expected), (
        f"{said}, and left this: {state}, and the reservations {prices}; the price is {price}"
    )
    return all(taken)
