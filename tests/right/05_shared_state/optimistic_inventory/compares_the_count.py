"""Compares the count itself: what the decision rests on is the count, and nothing else.

The version is raised for the others. (A row that was sold and put back meanwhile has another
version and the same count, and the price is still right.)
"""


class SoldOut(Exception):
    pass


class Conflict(Exception):
    pass


class Stale(Exception):
    """Somebody was faster."""


async def reserve(db, order_id, items, quote, *, attempts=5):
    for _ in range(attempts):
        counts = {sku: await count(db, sku) for sku in items}
        if short := [sku for sku, wanted in items.items() if counts[sku] < wanted]:
            raise SoldOut(*short)
        price = await quote(counts)
        try:
            await write(db, order_id, items, counts, price)
        except Stale:
            await db.rollback()
        except BaseException:
            await db.rollback()
            raise
        else:
            return price
    raise Conflict


async def count(db, sku):
    rows = await db.execute_fetchall("SELECT available FROM stock WHERE sku = ?", (sku,))
    return next((available for (available,) in rows), 0)


async def write(db, order_id, items, counts, price):
    await db.execute("INSERT INTO reservations (order_id, price) VALUES (?, ?)", (order_id, price))
    for sku, wanted in items.items():
        cursor = await db.execute(
            "UPDATE stock SET available = available - ?, version = version + 1 "
            "WHERE sku = ? AND available = ?",
            (wanted, sku, counts[sku]),
        )
        if not cursor.rowcount:
            raise Stale(sku)
    await db.commit()
