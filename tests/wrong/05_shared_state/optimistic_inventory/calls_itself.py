"""On a conflict it calls itself, and forgets to count: every call begins with `attempts` again.

mistake: retries-forever
fails: test_it_gives_up_in_the_end
"""


class SoldOut(Exception):
    pass


class Conflict(Exception):
    pass


async def reserve(db, order_id, items, quote, *, attempts=5):
    if attempts == 0:
        raise Conflict(order_id)
    counts, versions = {}, {}
    for sku in items:
        cursor = await db.execute("SELECT available, version FROM stock WHERE sku = ?", (sku,))
        counts[sku], versions[sku] = await cursor.fetchone() or (0, 0)
        if counts[sku] < items[sku]:
            raise SoldOut(sku)
    price = await quote(counts)
    try:
        for sku in items:
            cursor = await db.execute(
                "UPDATE stock SET available = available - ?, version = version + 1 "
                "WHERE sku = ? AND version = ?",
                (items[sku], sku, versions[sku]),
            )
            if cursor.rowcount == 0:
                await db.rollback()
                return await reserve(db, order_id, items, quote)
        await db.execute("INSERT INTO reservations VALUES (?, ?)", (order_id, price))
        await db.commit()
        return price
    finally:
        await db.rollback()
