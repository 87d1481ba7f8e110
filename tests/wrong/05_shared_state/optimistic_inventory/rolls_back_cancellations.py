"""Rolls back if it is cancelled or overtaken. A statement can raise, too.

mistake: transaction-left-open
fails: test_a_locked_database_leaves_no_transaction_open
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import aiosqlite

Quote = Callable[[Mapping[str, int]], Awaitable[int]]
"""Asks the price service: how many are available of each item -> the price of the order, cents."""


class SoldOut(Exception):
    """There are too few of an item to take as many as an order wants."""


class Conflict(Exception):
    """Somebody else was faster at every attempt."""


async def reserve(
    db: aiosqlite.Connection,
    order_id: str,
    items: Mapping[str, int],
    quote: Quote,
    *,
    attempts: int = 5,
) -> int:
    """Take each item (SKU) so many times (1 or more), or none; the price of the order in cents."""
    for _ in range(attempts):
        # Count and version in one statement: the version is of the count that we decide on.
        seen = {sku: await _read(db, sku) for sku in items}
        counts = {sku: available for sku, (available, _) in seen.items()}
        for sku, quantity in items.items():
            if counts[sku] < quantity:
                raise SoldOut(f"{quantity} of {sku} wanted, {counts[sku]} there")
        price = await quote(counts)  # no transaction is open: others go on
        versions = {sku: version for sku, (_, version) in seen.items()}
        if await _write(db, order_id, items, versions, price):
            return price
    raise Conflict(f"{attempts} attempts, and each time the stock had changed")


async def _read(db: aiosqlite.Connection, sku: str) -> tuple[int, int]:
    """How many there are of an item, and the version of its row."""
    sql = "SELECT available, version FROM stock WHERE sku = ?"
    async with db.execute(sql, (sku,)) as cursor:
        row = await cursor.fetchone()
    return (row[0], row[1]) if row else (0, 0)


async def _write(
    db: aiosqlite.Connection,
    order_id: str,
    items: Mapping[str, int],
    versions: Mapping[str, int],
    price: int,
) -> bool:
    """Make the reservation if all rows still have these versions; whether it was made."""
    try:
        # Sorted, because rows are locks in PostgreSQL: two orders must not take them crosswise.
        for sku in sorted(items):
            cursor = await db.execute(
                "UPDATE stock SET available = available - ?, version = version + 1 "
                "WHERE sku = ? AND version = ?",
                (items[sku], sku, versions[sku]),
            )
            if cursor.rowcount == 0:
                await db.rollback()
                return False
        await db.execute("INSERT INTO reservations VALUES (?, ?)", (order_id, price))
        await db.commit()
        return True
    except asyncio.CancelledError:
        await db.rollback()
        raise
