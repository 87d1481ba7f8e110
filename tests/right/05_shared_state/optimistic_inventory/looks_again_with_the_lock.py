"""Thinks first, then takes the write lock, looks once more, and writes if nothing has changed.

The second look is inside the transaction, where nobody else can write: compare and swap, by hand.
"""

import asyncio
from collections.abc import Mapping

import aiosqlite


class SoldOut(Exception):
    pass


class Conflict(Exception):
    pass


async def look(db: aiosqlite.Connection, skus) -> dict[str, tuple[int, int]]:
    seen = dict.fromkeys(skus, (0, 0))
    cursor = await db.execute("SELECT sku, available, version FROM stock")
    async for sku, available, version in cursor:
        if sku in seen:
            seen[sku] = (available, version)
    await cursor.close()
    return seen


async def reserve(
    db: aiosqlite.Connection, order_id: str, items: Mapping[str, int], quote, *, attempts: int = 5
) -> int:
    for _ in range(attempts):
        before = await look(db, items)
        for sku, quantity in items.items():
            if quantity > before[sku][0]:
                raise SoldOut(sku)
        price = await quote({sku: available for sku, (available, _) in before.items()})
        try:
            await db.execute("BEGIN IMMEDIATE")
            if await look(db, items) == before:
                for sku, quantity in items.items():
                    await db.execute(
                        "UPDATE stock SET available = available - ?, version = version + 1 "
                        "WHERE sku = ?",
                        (quantity, sku),
                    )
                await db.execute("INSERT INTO reservations VALUES (?, ?)", (order_id, price))
                await db.execute("COMMIT")
                return price
            await db.execute("ROLLBACK")
        except BaseException:
            # Not only "if db.in_transaction": a BEGIN that was cancelled may still be on its way.
            await db.rollback()
            raise
        await asyncio.sleep(0)
    raise Conflict
