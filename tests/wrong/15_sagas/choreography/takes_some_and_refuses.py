"""Inventory takes a first item, finds that there is too little of another, and refuses.

mistake: none
fails: test_a_refusal_undoes_what_was_done, test_what_comes_twice_is_done_once,
    test_anything_at_any_time
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import aiosqlite


@dataclass(frozen=True)
class Event:
    """Something that has happened to an order. A copy of it has the same `id`."""

    id: str
    type: str
    order_id: str
    data: dict[str, Any]


_HEARD = "CREATE TABLE heard (order_id TEXT, type TEXT, data TEXT, PRIMARY KEY (order_id, type));"
TABLES = {"inventory": _HEARD, "payment": _HEARD, "shipping": _HEARD, "orders": _HEARD}

# Every agent does the same: it writes down what it hears, looks at all that it has heard and said
# about the order, and does what follows from that and has not been done. What it knows is a set, so
# it does not matter in which order the events come, or how often. All of it is one transaction.


async def inventory(db: aiosqlite.Connection, event: Event) -> None:
    """An event has come to the agent that has the stock."""
    heard, said = await _what_is_known(db, event)
    placed = heard.get("OrderPlaced")
    called_off = "PaymentDeclined" in heard or "ShipmentRefused" in heard
    if "StockReserved" in said:
        if called_off and "StockReleased" not in said:
            assert placed is not None
            await _change_stock(db, placed["items"], +1)
            await _say(db, event.order_id, "StockReleased")
    elif placed is not None and "StockRefused" not in said:
        missing = await _missing(db, placed["items"])
        if missing and not called_off:
            await db.execute("UPDATE stock SET available = MAX(0, available - 1)")
        if called_off or missing:
            await _say(db, event.order_id, "StockRefused", sku=None if called_off else missing)
        else:
            await _change_stock(db, placed["items"], -1)
            await _say(db, event.order_id, "StockReserved")
    await db.commit()


async def payment(db: aiosqlite.Connection, event: Event) -> None:
    """An event has come to the agent that has the customers' accounts."""
    heard, said = await _what_is_known(db, event)
    placed = heard.get("OrderPlaced")
    called_off = "ShipmentRefused" in heard
    if "PaymentTaken" in said:
        if called_off and "PaymentRefunded" not in said:
            assert placed is not None
            await _change_balance(db, placed["customer"], placed["total"])
            await _say(db, event.order_id, "PaymentRefunded", amount=placed["total"])
    elif placed is not None and "StockReserved" in heard and "PaymentDeclined" not in said:
        if called_off:
            await _say(db, event.order_id, "PaymentDeclined", reason="the order was called off")
        elif await _change_balance(db, placed["customer"], -placed["total"]):
            await _say(db, event.order_id, "PaymentTaken", amount=placed["total"])
        else:
            await _say(db, event.order_id, "PaymentDeclined", reason="not enough money")
    await db.commit()


async def shipping(db: aiosqlite.Connection, event: Event) -> None:
    """An event has come to the agent that sends parcels."""
    heard, said = await _what_is_known(db, event)
    placed = heard.get("OrderPlaced")
    if not {"OrderShipped", "ShipmentRefused"} & said:  # the last word has not been spoken
        if "CancelRequested" in heard:
            await _say(db, event.order_id, "ShipmentRefused", reason="cancelled by the customer")
        elif placed is not None and "PaymentTaken" in heard:
            if await _one(db, "SELECT 1 FROM addresses WHERE customer = ?", placed["customer"]):
                cursor = await db.execute(
                    "INSERT INTO parcels (order_id) VALUES (?)", (event.order_id,)
                )
                await _say(db, event.order_id, "OrderShipped", parcel=cursor.lastrowid)
            else:
                await _say(db, event.order_id, "ShipmentRefused", reason="no address")
    await db.commit()


async def orders(db: aiosqlite.Connection, event: Event) -> None:
    """An event has come to the agent that knows how the orders stand."""
    heard, said = await _what_is_known(db, event)
    unpaid = "PaymentDeclined" in heard or "PaymentRefunded" in heard
    undone = "StockRefused" in heard or ("StockReleased" in heard and unpaid)
    if "OrderShipped" in heard:
        await _set_status(db, event.order_id, "shipped")
    elif undone and "OrderCancelled" not in said:
        await _set_status(db, event.order_id, "cancelled")
        await _say(db, event.order_id, "OrderCancelled", reason="everything has been undone")
    await db.commit()


async def _what_is_known(
    db: aiosqlite.Connection, event: Event
) -> tuple[dict[str, dict[str, Any]], set[str]]:
    """What has been heard about the order, this event included, and what has been said."""
    # The transaction begins with this statement.
    await db.execute(
        "INSERT OR IGNORE INTO heard VALUES (?, ?, ?)",
        (event.order_id, event.type, json.dumps(event.data)),
    )
    cursor = await db.execute("SELECT type, data FROM heard WHERE order_id = ?", (event.order_id,))
    heard = {type_: json.loads(data) for type_, data in await cursor.fetchall()}
    cursor = await db.execute("SELECT type FROM outbox WHERE order_id = ?", (event.order_id,))
    return heard, {type_ for (type_,) in await cursor.fetchall()}


async def _say(db: aiosqlite.Connection, order_id: str, type_: str, **data: Any) -> None:
    await db.execute(
        "INSERT INTO outbox (type, order_id, data) VALUES (?, ?, ?)",
        (type_, order_id, json.dumps(data)),
    )


async def _one(db: aiosqlite.Connection, sql: str, *values: Any) -> Any:
    """The first column of the first row, or None."""
    row = await (await db.execute(sql, values)).fetchone()
    return row and row[0]


async def _missing(db: aiosqlite.Connection, items: dict[str, int]) -> str | None:
    """An item of which there are fewer than wanted."""
    for sku, quantity in items.items():
        available = await _one(db, "SELECT available FROM stock WHERE sku = ?", sku)
        if (available or 0) < quantity:
            return sku
    return None


async def _change_stock(db: aiosqlite.Connection, items: dict[str, int], sign: int) -> None:
    await db.executemany(
        "UPDATE stock SET available = available + ? WHERE sku = ?",
        [(sign * quantity, sku) for sku, quantity in items.items()],
    )


async def _change_balance(db: aiosqlite.Connection, customer: str, by: int) -> bool:
    """Whether there was enough for it."""
    cursor = await db.execute(
        "UPDATE accounts SET balance = balance + ? WHERE customer = ? AND balance + ? >= 0",
        (by, customer, by),
    )
    return cursor.rowcount == 1


async def _set_status(db: aiosqlite.Connection, order_id: str, status: str) -> None:
    await db.execute("UPDATE orders SET status = ? WHERE order_id = ?", (status, order_id))
