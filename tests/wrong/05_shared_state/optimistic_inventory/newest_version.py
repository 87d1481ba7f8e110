"""Reads the version again before it writes, in the transaction, "to have the newest one".

It has a version check and a transaction, and the version it checks is not the one it decided on.

mistake: read-outside-transaction
fails: test_a_price_is_asked_for_again, test_somebody_is_faster_at_any_moment,
    test_many_customers_at_once, test_it_gives_up_in_the_end,
    test_cancelled_anywhere_it_is_all_or_nothing
"""


class SoldOut(Exception):
    pass


class Conflict(Exception):
    pass


async def reserve(db, order_id, items, quote, *, attempts=5):
    for _ in range(attempts):
        counts = {}
        for sku in items:
            cursor = await db.execute("SELECT available FROM stock WHERE sku = ?", (sku,))
            row = await cursor.fetchone()
            counts[sku] = row[0] if row else 0
            if counts[sku] < items[sku]:
                raise SoldOut(sku)
        price = await quote(counts)
        if await write(db, order_id, items, price):
            return price
    raise Conflict(order_id)


async def write(db, order_id, items, price):
    try:
        await db.execute("BEGIN IMMEDIATE")
        for sku, quantity in items.items():
            cursor = await db.execute("SELECT version FROM stock WHERE sku = ?", (sku,))
            (version,) = await cursor.fetchone()
            cursor = await db.execute(
                "UPDATE stock SET available = available - ?, version = ? "
                "WHERE sku = ? AND version = ?",
                (quantity, version + 1, sku, version),
            )
            if cursor.rowcount != 1:
                return False
        await db.execute("INSERT INTO reservations VALUES (?, ?)", (order_id, price))
        await db.commit()
        return True
    finally:
        await db.rollback()
