"""`available = available - ?` adds up whoever else writes, so no sale gets lost.

But it sells what is not there any more, and at a price for a stock that was.

mistake: no-version-check
fails: test_somebody_is_faster_at_any_moment, test_a_price_is_asked_for_again,
    test_many_customers_at_once, test_it_gives_up_in_the_end
"""


class SoldOut(Exception):
    pass


class Conflict(Exception):
    pass


async def reserve(db, order_id, items, quote, *, attempts=5):
    counts = {}
    for sku in items:
        cursor = await db.execute("SELECT available FROM stock WHERE sku = ?", [sku])
        row = await cursor.fetchone()
        counts[sku] = row[0] if row else 0
        if counts[sku] < items[sku]:
            raise SoldOut(sku)
    price = await quote(counts)
    try:
        await db.execute("BEGIN IMMEDIATE")
        for sku, quantity in items.items():
            await db.execute(
                "UPDATE stock SET available = available - ?, version = version + 1 WHERE sku = ?",
                [quantity, sku],
            )
        await db.execute("INSERT INTO reservations VALUES (?, ?)", [order_id, price])
        await db.commit()
    except BaseException:
        await db.rollback()
        raise
    return price
