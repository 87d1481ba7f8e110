"""Lets the database make sure that there are enough: never oversold, and sold at a stale price.

Fine for a shop with fixed prices. Here the decision rests on the count itself.

mistake: no-version-check
fails: test_a_price_is_asked_for_again, test_many_customers_at_once, test_it_gives_up_in_the_end
"""


class SoldOut(Exception):
    pass


class Conflict(Exception):
    pass


TAKE = """
    UPDATE stock SET available = available - :n, version = version + 1
    WHERE sku = :sku AND available >= :n
"""


async def reserve(db, order_id, items, quote, *, attempts=5):
    counts = dict.fromkeys(items, 0)
    for sku in items:
        for (available,) in await db.execute_fetchall(
            "SELECT available FROM stock WHERE sku = ?", (sku,)
        ):
            counts[sku] = available
    if any(counts[sku] < n for sku, n in items.items()):
        raise SoldOut(items)
    price = await quote(counts)
    try:
        for sku, n in items.items():
            taken = await db.execute(TAKE, {"sku": sku, "n": n})
            if not taken.rowcount:
                raise SoldOut(sku)
        await db.execute("INSERT INTO reservations VALUES (?, ?)", (order_id, price))
        await db.commit()
    finally:
        await db.rollback()
    return price
