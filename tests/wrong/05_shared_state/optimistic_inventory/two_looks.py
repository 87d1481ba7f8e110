"""Reads the count in one statement and the version in the next: they need not belong together.

Who writes between the two is never noticed: the version is already theirs.

mistake: read-outside-transaction
fails: test_somebody_is_faster_at_any_moment, test_many_customers_at_once
"""


class SoldOut(Exception):
    pass


class Conflict(Exception):
    pass


async def one(db, column, sku):
    async with db.execute(f"SELECT {column} FROM stock WHERE sku = ?", (sku,)) as cursor:
        row = await cursor.fetchone()
    return row[0] if row else 0


async def reserve(db, order_id, items, quote, *, attempts=5):
    for _ in range(attempts):
        counts = {sku: await one(db, "available", sku) for sku in items}
        for sku in items:
            if counts[sku] < items[sku]:
                raise SoldOut(f"{sku}: {counts[sku]}")
        versions = {sku: await one(db, "version", sku) for sku in items}
        price = await quote(counts)
        try:
            for sku in items:
                cursor = await db.execute(
                    "UPDATE stock SET available = ?, version = version + 1 "
                    "WHERE sku = ? AND version = ?",
                    (counts[sku] - items[sku], sku, versions[sku]),
                )
                if cursor.rowcount == 0:
                    break
            else:
                await db.execute("INSERT INTO reservations VALUES (?, ?)", (order_id, price))
                await db.commit()
                return price
        finally:
            await db.rollback()
    raise Conflict
