"""Has the version in the WHERE, and never asks how many rows it changed.

An UPDATE that finds no row is no error. The reservation is written, and nothing was taken for it.

mistake: no-version-check
fails: test_somebody_is_faster_at_any_moment, test_a_price_is_asked_for_again,
    test_many_customers_at_once, test_it_gives_up_in_the_end
"""

import sqlite3


class SoldOut(Exception):
    pass


class Conflict(Exception):
    pass


async def reserve(db, order_id, items, quote, *, attempts=5):
    for _ in range(attempts):
        marks = ", ".join("?" for _ in items)
        rows = await db.execute_fetchall(
            f"SELECT sku, available, version FROM stock WHERE sku IN ({marks})", tuple(items)
        )
        counts = {sku: available for sku, available, _ in rows}
        if any(counts.get(sku, 0) < quantity for sku, quantity in items.items()):
            raise SoldOut
        price = await quote(counts)
        try:
            for sku, _, version in rows:
                await db.execute(
                    "UPDATE stock SET available = available - ?, version = version + 1"
                    " WHERE sku = ? AND version = ?",
                    (items[sku], sku, version),
                )
            await db.execute("INSERT INTO reservations VALUES (?, ?)", (order_id, price))
            await db.commit()
            return price
        except sqlite3.OperationalError:
            continue
        finally:
            await db.rollback()
    raise Conflict
