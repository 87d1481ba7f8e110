"""`while True`: it has to work some time.

mistake: retries-forever
fails: test_it_gives_up_in_the_end
"""


class SoldOut(Exception):
    pass


class Conflict(Exception):
    pass


async def reserve(db, order_id, items, quote, *, attempts=5):
    while True:
        seen = {}
        for sku, quantity in items.items():
            async with db.execute(
                "SELECT available, version FROM stock WHERE sku = ?", (sku,)
            ) as cursor:
                seen[sku] = await cursor.fetchone() or (0, 0)
            if seen[sku][0] < quantity:
                raise SoldOut(sku)
        price = await quote({sku: row[0] for sku, row in seen.items()})
        try:
            changed = 0
            for sku, quantity in items.items():
                cursor = await db.execute(
                    "UPDATE stock SET available = available - ?, version = version + 1 "
                    "WHERE sku = ? AND version = ?",
                    (quantity, sku, seen[sku][1]),
                )
                changed += cursor.rowcount
            if changed == len(items):
                await db.execute("INSERT INTO reservations VALUES (?, ?)", (order_id, price))
                await db.commit()
                return price
        finally:
            await db.rollback()
