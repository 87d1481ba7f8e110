"""A transaction is an `async with` block, and being overtaken is an exception that leaves it."""

from contextlib import asynccontextmanager


class SoldOut(Exception):
    pass


class Conflict(Exception):
    pass


class Overtaken(Exception):
    pass


async def reserve(db, order_id, items, quote, *, attempts=5):
    for _ in range(attempts):
        try:
            return await attempt(db, order_id, items, quote)
        except Overtaken:
            continue
    raise Conflict


async def attempt(db, order_id, items, quote):
    async with db.execute("SELECT sku, available, version FROM stock") as cursor:
        rows = {sku: (available, version) async for sku, available, version in cursor}
    seen = {sku: rows.get(sku, (0, 0)) for sku in items}
    counts = {sku: available for sku, (available, _) in seen.items()}
    if any(counts[sku] < quantity for sku, quantity in items.items()):
        raise SoldOut
    price = await quote(counts)
    async with transaction(db):
        await db.execute("INSERT INTO reservations VALUES (?, ?)", (order_id, price))
        for sku in sorted(items):
            sql = "UPDATE stock SET available = ?, version = ? WHERE sku = ? AND version = ?"
            available, version = seen[sku]
            new = (available - items[sku], version + 1, sku, version)
            async with db.execute(sql, new) as cursor:
                if not cursor.rowcount:
                    raise Overtaken
    return price


@asynccontextmanager
async def transaction(db):
    try:
        yield
        await db.commit()
    except BaseException:
        await db.rollback()
        raise
