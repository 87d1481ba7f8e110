"""Writes in a task of its own; if it is cancelled meanwhile, it waits for the end of that."""

import asyncio


class SoldOut(Exception):
    pass


class Conflict(Exception):
    pass


async def write(db, order_id, items, seen, price):
    try:
        for sku, n in items.items():
            c = await db.execute(
                "UPDATE stock SET available = available - ?, version = version + 1 "
                "WHERE sku = ? AND available = ? AND version = ?",
                (n, sku, *seen[sku]),
            )
            if c.rowcount != 1:
                await db.rollback()
                return False
        await db.execute("INSERT INTO reservations VALUES (?, ?)", (order_id, price))
        await db.commit()
        return True
    except BaseException:
        await db.rollback()
        raise


async def reserve(db, order_id, items, quote, *, attempts=5):
    for _ in range(attempts):
        seen = {}
        for sku in items:
            cursor = await db.execute("SELECT available, version FROM stock WHERE sku = ?", (sku,))
            seen[sku] = await cursor.fetchone() or (0, 0)
            await cursor.close()
        for sku in items:
            if seen[sku][0] < items[sku]:
                raise SoldOut(sku)
        price = await quote({sku: a for sku, (a, _) in seen.items()})
        writing = asyncio.create_task(write(db, order_id, items, seen, price))
        try:
            made = await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait([writing])
            raise
        if made:
            return price
    raise Conflict(order_id)
