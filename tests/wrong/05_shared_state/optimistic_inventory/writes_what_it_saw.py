"""Reads, asks, writes: the new count is the one it saw, less what it takes.

Whatever others have written meanwhile is written over.

mistake: no-version-check
fails: test_somebody_is_faster_at_any_moment, test_a_price_is_asked_for_again,
    test_many_customers_at_once, test_it_gives_up_in_the_end
"""


class SoldOut(Exception):
    pass


class Conflict(Exception):
    pass


async def reserve(db, order_id, items, quote, *, attempts=5):
    rows = {}
    for sku, quantity in items.items():
        async with db.execute("SELECT available, version FROM stock WHERE sku = ?", (sku,)) as cur:
            row = await cur.fetchone()
        if row is None or row[0] < quantity:
            raise SoldOut(sku)
        rows[sku] = row
    price = await quote({sku: available for sku, (available, _) in rows.items()})
    try:
        for sku, (available, version) in rows.items():
            await db.execute(
                "UPDATE stock SET available = ?, version = ? WHERE sku = ?",
                (available - items[sku], version + 1, sku),
            )
        await db.execute("INSERT INTO reservations VALUES (?, ?)", (order_id, price))
        await db.commit()
    finally:
        await db.rollback()
    return price
