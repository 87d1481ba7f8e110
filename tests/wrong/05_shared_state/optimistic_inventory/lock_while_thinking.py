"""Begins a transaction that keeps all writers out, and asks for the price inside it.

It is correct, and it needs no version. While the price service thinks, the whole shop stands still.

mistake: global-lock
fails: test_nobody_waits_for_the_price_service, test_a_price_is_asked_for_again,
    test_it_gives_up_in_the_end, test_cancelled_anywhere_it_is_all_or_nothing
"""


class SoldOut(Exception):
    pass


class Conflict(Exception):
    pass


async def reserve(db, order_id, items, quote, *, attempts=5):
    try:
        await db.execute("BEGIN IMMEDIATE")
        counts = {}
        for sku, quantity in items.items():
            cursor = await db.execute("SELECT available FROM stock WHERE sku = ?", (sku,))
            row = await cursor.fetchone()
            counts[sku] = row[0] if row else 0
            if counts[sku] < quantity:
                raise SoldOut(sku)
        price = await quote(counts)
        for sku, quantity in items.items():
            await db.execute(
                "UPDATE stock SET available = available - ?, version = version + 1 WHERE sku = ?",
                (quantity, sku),
            )
        await db.execute("INSERT INTO reservations VALUES (?, ?)", (order_id, price))
        await db.commit()
        return price
    except BaseException:
        await db.rollback()
        raise
