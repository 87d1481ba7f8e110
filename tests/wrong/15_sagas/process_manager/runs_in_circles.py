"""When the bank is late it looks at once again whether it still is, and again, and again.

mistake: livelock
fails: test_unknown_is_not_failed, test_what_is_lost_is_sent_again,
    test_a_reply_in_time_is_in_time, test_orders_do_not_wait_for_one_another,
    test_killed_anywhere_an_order_ends_well, test_the_deadline_survives_a_restart,
    test_anything_at_any_time, test_each_order_has_a_deadline_of_its_own
"""

import asyncio
import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Message:
    id: str
    type: str
    order_id: str
    data: dict = field(default_factory=dict)
    reply_to: str | None = None


TO = {
    "ReserveStock": "inventory",
    "ReleaseStock": "inventory",
    "TakePayment": "payment",
    "CancelPayment": "payment",
    "RefundPayment": "payment",
    "ShipOrder": "shipping",
    "ConfirmDelivery": "shipping",
}
THEN = {
    ("ReserveStock", "StockReserved"): "TakePayment",
    ("ReserveStock", "StockRefused"): "OrderCancelled",
    ("TakePayment", "PaymentTaken"): "ShipOrder",
    ("TakePayment", "PaymentDeclined"): "ReleaseStock",
    ("CancelPayment", "PaymentTaken"): "RefundPayment",
    ("CancelPayment", "PaymentDeclined"): "ReleaseStock",
    ("CancelPayment", "PaymentCancelled"): "ReleaseStock",
    ("ShipOrder", "OrderShipped"): "ConfirmDelivery",
    ("ShipOrder", "ShipmentRefused"): "RefundPayment",
    ("ConfirmDelivery", "OrderDelivered"): "OrderDelivered",
    ("RefundPayment", "PaymentRefunded"): "ReleaseStock",
    ("ReleaseStock", "StockReleased"): "OrderCancelled",
}


def now():
    return time.time()


async def manage(database, bus, *, deadline=600.0, retry=30.0):
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute(
            "CREATE TABLE IF NOT EXISTS orders "
            "(order_id PRIMARY KEY, data, doing, send_at REAL, late_at REAL)"
        )
        inbox = asyncio.ensure_future(bus.receive())
        try:
            while True:
                await do_what_is_due(db, bus, retry)
                (first,) = db.execute("SELECT MIN(MIN(send_at, late_at)) FROM orders").fetchone()
                timeout = None if first is None else max(0.0, first - now())
                await asyncio.wait([inbox], timeout=timeout)
                if inbox.done():
                    note(db, inbox.result(), deadline)
                    await bus.acknowledge(inbox.result())
                    inbox = asyncio.ensure_future(bus.receive())
        finally:
            inbox.cancel()


NEVER = 1e12


def note(db, message, deadline):
    if message.type == "OrderPlaced":
        db.execute(
            "INSERT OR IGNORE INTO orders VALUES (?, ?, 'ReserveStock', ?, ?)",
            (message.order_id, json.dumps(dict(message.data)), now(), NEVER),
        )
        return
    row = db.execute("SELECT doing FROM orders WHERE order_id = ?", (message.order_id,)).fetchone()
    then = THEN.get((row[0], message.type)) if row else None
    if then is not None:
        late_at = now() + deadline if then == "TakePayment" else NEVER
        db.execute(
            "UPDATE orders SET doing = ?, send_at = ?, late_at = ? WHERE order_id = ?",
            (then, now(), late_at, message.order_id),
        )


async def do_what_is_due(db, bus, retry):
    db.execute(
        "UPDATE orders SET doing = 'CancelPayment', send_at = ?, late_at = ? "
        "WHERE doing = 'Payment' AND late_at <= ?",
        (now(), NEVER, now()),
    )
    due = db.execute("SELECT order_id, data, doing FROM orders WHERE send_at <= ?", (now(),))
    for order_id, data, doing in due.fetchall():
        command = Message(f"{order_id} {doing}", doing, order_id, json.loads(data))
        await bus.send(TO.get(doing, "shop"), command)
        db.execute(
            "UPDATE orders SET send_at = ? WHERE order_id = ?",
            (now() + retry if doing in TO else NEVER, order_id),
        )
