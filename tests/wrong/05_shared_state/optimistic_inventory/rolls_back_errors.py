"""Rolls back if something goes wrong, in `except Exception`: being cancelled is none.

mistake: transaction-left-open
fails: test_cancelled_anywhere_it_is_all_or_nothing
"""


class SoldOut(Exception):
    pass


class Conflict(Exception):
    pass


async def reserve(db, order_id, items, quote, *, attempts=5):
    for _ in range(attempts):
        counts, versions = await read(db, items)
        if any(counts[sku] < quantity for sku, quantity in items.items()):
            raise SoldOut
        price = await quote(counts)
        if await write(db, order_id, items, versions, price):
            return price
    raise Conflict


async def read(db, items):
    counts, versions = dict.fromkeys(items, 0), {}
    marks = ", ".join("?" for _ in items)
    sql = f"SELECT sku, available, version FROM stock WHERE sku IN ({marks})"
    async with db.execute(sql, tuple(items)) as cursor:
        async for sku, available, version in cursor:
            counts[sku], versions[sku] = available, version
    return counts, versions


async def write(db, order_id, items, versions, price):
    try:
        for sku, quantity in items.items():
            cursor = await db.execute(
                "UPDATE stock SET available = available - ?, version = version + 1 "
                "WHERE sku = ? AND version = ?",
                (quantity, sku, versions[sku]),
            )
            if cursor.rowcount != 1:
                await db.rollback()
                return False
        await db.execute("INSERT INTO reservations VALUES (?, ?)", (order_id, price))
        await db.commit()
        return True
    except Exception:
        await db.rollback()
        raise
