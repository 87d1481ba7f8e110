"""Writes down every message, and folds all that was written about an order into what it does now.

The alarm clock is written down like a message: "TimeIsUp", with a time in the future.
"""

import asyncio
import json
import sqlite3
import time
from contextlib import closing
from types import SimpleNamespace


def Message(id, type, order_id, data=None, reply_to=None):
    return SimpleNamespace(id=id, type=type, order_id=order_id, data=data or {}, reply_to=reply_to)


def fold(facts):
    """The command that an order waits for now, and whom it goes to; or its end, and the shop."""
    if "StockRefused" in facts or "StockReleased" in facts:
        return "OrderCancelled", "shop"
    if "OrderDelivered" in facts:
        return "OrderDelivered", "shop"
    if "StockReserved" not in facts:
        return "ReserveStock", "inventory"
    if "PaymentDeclined" in facts or "PaymentCancelled" in facts or "PaymentRefunded" in facts:
        return "ReleaseStock", "inventory"
    if "OrderShipped" in facts:
        return "ConfirmDelivery", "shipping"
    taken, late = facts.get("PaymentTaken"), facts.get("TimeIsUp")
    if late is not None and (taken is None or taken > late):
        return ("CancelPayment" if taken is None else "RefundPayment"), "payment"
    if taken is None:
        return "TakePayment", "payment"
    return ("RefundPayment", "payment") if "ShipmentRefused" in facts else ("ShipOrder", "shipping")


class Log:
    """The facts of each order, with their numbers. Plain sqlite3: each call takes no time."""

    def __init__(self, database):
        self.db = sqlite3.connect(database, isolation_level=None)
        self.db.executescript(
            "CREATE TABLE IF NOT EXISTS facts (number INTEGER PRIMARY KEY, order_id, fact, data,"
            " at REAL, UNIQUE (order_id, fact));"
            "CREATE TABLE IF NOT EXISTS sent (order_id, command, at REAL,"
            " PRIMARY KEY (order_id, command));"
        )

    def add(self, order_id, fact, data=None):
        self.db.execute(
            "INSERT OR IGNORE INTO facts (order_id, fact, data, at) VALUES (?, ?, ?, ?)",
            (order_id, fact, json.dumps(data), time.time()),
        )

    def facts(self, order_id):
        rows = self.db.execute("SELECT fact, number FROM facts WHERE order_id = ?", (order_id,))
        return dict(rows.fetchall())

    def orders(self):
        sql = "SELECT order_id, data FROM facts WHERE fact = 'OrderPlaced'"
        return [(order_id, json.loads(data)) for order_id, data in self.db.execute(sql).fetchall()]

    def sent_at(self, order_id, command):
        sql = "SELECT at FROM sent WHERE order_id = ? AND command = ?"
        row = self.db.execute(sql, (order_id, command)).fetchone()
        return row and row[0]

    def first_payment(self, order_id):
        sql = "SELECT at FROM facts WHERE order_id = ? AND fact = 'StockReserved'"
        row = self.db.execute(sql, (order_id,)).fetchone()
        return row and row[0]


async def manage(database, bus, *, deadline=600.0, retry=30.0):
    log = Log(database)
    with closing(log.db):
        incoming = asyncio.ensure_future(bus.receive())
        try:
            while True:
                wake = await work(log, bus, deadline, retry)
                await asyncio.wait([incoming], timeout=wake)
                if incoming.done():
                    message = incoming.result()
                    known = log.facts(message.order_id)
                    if message.type == "OrderPlaced" or known:
                        log.add(message.order_id, message.type, message.data)
                    await bus.acknowledge(message)
                    incoming = asyncio.ensure_future(bus.receive())
        finally:
            incoming.cancel()
            await asyncio.gather(incoming, return_exceptions=True)


async def work(log, bus, deadline, retry):
    """Everything that is due now; seconds until the next is."""
    wakes = [3600.0]
    for order_id, data in log.orders():
        since, facts = log.first_payment(order_id), log.facts(order_id)
        if since is not None and fold(facts)[0] == "TakePayment":
            if since + deadline <= time.time():
                log.add(order_id, "TimeIsUp")
            else:
                wakes.append(since + deadline - time.time())
        command, to = fold(log.facts(order_id))
        at = log.sent_at(order_id, command)
        if at is not None and to == "shop":
            continue
        if at is None or at + retry <= time.time():
            await bus.send(to, Message(f"{command}-{order_id}", command, order_id, data))
            log.db.execute(
                "INSERT OR REPLACE INTO sent VALUES (?, ?, ?)", (order_id, command, time.time())
            )
            at = time.time()
        if to != "shop":
            wakes.append(at + retry - time.time())
    return max(0.0, min(wakes))
