"""Python's own sqlite3, one short transaction after another: nothing is awaited in any of them."""

import asyncio
import json
import sqlite3
from contextlib import contextmanager
from enum import StrEnum

ROW = [
    ("inventory", "ReserveStock", "StockReserved"),
    ("payment", "TakePayment", "PaymentTaken"),
    ("shipping", "ShipOrder", "OrderShipped"),
    ("shipping", "ConfirmDelivery", "OrderDelivered"),
]
UNDO = {"ReserveStock": "ReleaseStock", "TakePayment": "RefundPayment"}


class Way(StrEnum):
    FORWARD = "forward"
    BACK = "back"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


@contextmanager
def transaction(database):
    db = sqlite3.connect(database, timeout=60, isolation_level=None)
    try:
        db.row_factory = sqlite3.Row
        db.execute("BEGIN IMMEDIATE")
        db.execute(
            "CREATE TABLE IF NOT EXISTS saga"
            " (id TEXT PRIMARY KEY, body TEXT, way TEXT) WITHOUT ROWID"
        )
        db.execute(
            "CREATE TABLE IF NOT EXISTS line"
            " (id TEXT, command TEXT, answer TEXT, UNIQUE (id, command))"
        )
        yield db
        db.execute("COMMIT")
    finally:
        db.close()  # which rolls back what is open


def way_of(db, order_id):
    row = db.execute("SELECT way FROM saga WHERE id = ?", [order_id]).fetchone()
    if row is None:
        raise LookupError(f"no order {order_id}")
    return Way(row["way"])


def lines(db, order_id):
    rows = db.execute("SELECT command, answer FROM line WHERE id = ?", [order_id])
    return {row["command"]: row["answer"] for row in rows}


async def place_order(database, order):
    with transaction(database) as db:
        db.execute(
            "INSERT INTO saga VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            [order["order_id"], json.dumps(dict(order)), Way.FORWARD.value],
        )


async def cancel_order(database, order_id):
    with transaction(database) as db:
        way = way_of(db, order_id)
        if way is Way.FORWARD and "ShipOrder" not in lines(db, order_id):
            db.execute("UPDATE saga SET way = ? WHERE id = ?", [Way.BACK.value, order_id])
            way = Way.BACK
        return way in (Way.BACK, Way.CANCELLED)


async def status(database, order_id):
    with transaction(database) as db:
        way = way_of(db, order_id)
    return way.value if way in (Way.DELIVERED, Way.CANCELLED) else "running"


def next_command(database, order_id):
    """What is to be asked for now: (agent, command), or None if the order has ended."""
    with transaction(database) as db:
        way, known = way_of(db, order_id), lines(db, order_id)
        if way is Way.FORWARD:
            for agent, command, done in ROW:
                if known.get(command) is None:
                    db.execute(
                        "INSERT OR IGNORE INTO line VALUES (?, ?, NULL)", [order_id, command]
                    )
                    return agent, command
                if known[command] != done:
                    way = Way.BACK
                    break
            else:
                way = Way.DELIVERED
        if way is Way.BACK:
            for agent, command, done in reversed(ROW):
                if command not in known:
                    continue
                if known[command] is None:
                    return agent, command
                undo = UNDO.get(command)
                if known[command] == done and undo and known.get(undo) is None:
                    db.execute("INSERT OR IGNORE INTO line VALUES (?, ?, NULL)", [order_id, undo])
                    db.execute("UPDATE saga SET way = ? WHERE id = ?", [way.value, order_id])
                    return agent, undo
            way = Way.CANCELLED
        db.execute("UPDATE saga SET way = ? WHERE id = ?", [way.value, order_id])
        return None


def write_answer(database, order_id, command, answer):
    with transaction(database) as db:
        if answer in ("StockRefused", "PaymentDeclined", "ShipmentRefused"):
            db.execute(
                "UPDATE saga SET way = ? WHERE id = ? AND way = ?",
                [Way.BACK.value, order_id, Way.FORWARD.value],
            )
        db.execute(
            "UPDATE line SET answer = ? WHERE id = ? AND command = ?", [answer, order_id, command]
        )


async def carry_out(database, call, order):
    order_id = order["order_id"]
    while (todo := next_command(database, order_id)) is not None:
        agent, command = todo
        try:
            answer = await call(agent, command, f"{command} of {order_id}", order)
        except OSError:  # TimeoutError and ConnectionError both are
            answer = "Unavailable"
        if answer == "Unavailable":
            await asyncio.sleep(2.5)
        else:
            write_answer(database, order_id, command, answer)


async def coordinate(database, call):
    tasks = {}
    try:
        while True:
            with transaction(database) as db:
                rows = db.execute(
                    "SELECT id, body FROM saga WHERE way IN ('forward', 'back')"
                ).fetchall()
            for row in rows:
                if row["id"] not in tasks or tasks[row["id"]].done():
                    tasks[row["id"]] = asyncio.ensure_future(
                        carry_out(database, call, json.loads(row["body"]))
                    )
            await asyncio.sleep(3)
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
