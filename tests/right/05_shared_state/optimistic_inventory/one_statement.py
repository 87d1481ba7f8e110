"""Everything in one SELECT and one executemany; BEGIN and COMMIT are written out."""

import contextlib

READ = "SELECT sku, available, version FROM stock WHERE sku IN ({})"
WRITE = "UPDATE stock SET available = ?, version = ? WHERE sku = ? AND version = ?"


class SoldOut(Exception):
    pass


class Conflict(Exception):
    pass


async def reserve(db, order_id, items, quote, *, attempts=5):
    while attempts > 0:
        attempts -= 1
        marks = ", ".join("?" * len(items))
        async with db.execute(READ.format(marks), list(items)) as cursor:
            rows = {sku: (available, version) async for sku, available, version in cursor}
        for sku, wanted in items.items():
            available, _ = rows.get(sku, (0, 0))
            if available < wanted:
                raise SoldOut(f"{sku}: {available} of {wanted}")
        price = await quote({sku: rows[sku][0] for sku in items})
        changes = [(rows[s][0] - n, rows[s][1] + 1, s, rows[s][1]) for s, n in items.items()]
        async with transaction(db):
            cursor = await db.executemany(WRITE, changes)
            if cursor.rowcount != len(changes):
                await db.execute("ROLLBACK")
                continue
            await db.execute("INSERT INTO reservations VALUES (?, ?)", (order_id, price))
            await db.execute("COMMIT")
            return price
    raise Conflict(order_id)


@contextlib.asynccontextmanager
async def transaction(db):
    try:
        await db.execute("BEGIN IMMEDIATE")
        yield
    finally:
        await db.rollback()
