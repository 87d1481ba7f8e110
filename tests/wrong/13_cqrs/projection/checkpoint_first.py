"""Takes the batch by moving the checkpoint, commits that, and then makes the rows.

So no two projectors take the same batch. One that dies with it has taken it with it.

mistake: checkpoint-apart
fails: test_killed_anywhere_rows_and_checkpoint_agree, test_two_at_once_count_once,
    test_cancelled_anywhere_it_leaves_no_transaction, test_readers_see_the_old_model_or_the_new,
    test_what_comes_again_counts_once, test_a_rebuild_mends_the_rows, test_events_become_rows,
    test_unknown_types_are_passed_over
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiosqlite


@dataclass(frozen=True)
class Event:
    position: int
    id: str
    type: str
    data: Mapping[str, Any]


NEXT = {
    "StockReserved": "reserved",
    "PaymentTaken": "paid",
    "OrderShipped": "shipped",
    "OrderDelivered": "delivered",
    "OrderCancelled": "cancelled",
}


async def one(db, sql, *values):
    [row] = await db.execute_fetchall(sql, values)
    return row[0]


def sql_of(event):
    match event:
        case Event(type="OrderPlaced", data={"order_id": order, "customer": customer}):
            yield "INSERT INTO orders VALUES (?, ?, 'placed')", (order, customer)
            yield "INSERT OR IGNORE INTO customers VALUES (?, 0, 0)", (customer,)
            yield "UPDATE customers SET orders = orders + 1 WHERE customer = ?", (customer,)
        case Event(type=kind, data={"order_id": order}) if kind in NEXT:
            yield "UPDATE orders SET status = ? WHERE order_id = ?", (NEXT[kind], order)
    match event:
        case Event(type="PaymentTaken" | "PaymentRefunded", data={"amount": amount}):
            if event.type == "PaymentRefunded":
                amount = -amount
            yield (
                "UPDATE customers SET paid = paid + ? WHERE customer = "
                "(SELECT customer FROM orders WHERE order_id = ?)",
                (amount, event.data["order_id"]),
            )


async def project(log, database, *, batch=100):
    async with aiosqlite.connect(database) as db:
        while True:
            at = await one(db, "SELECT position FROM checkpoint")
            new, last = [], at
            for event in await log.read(at, batch):
                if event.position > last:
                    new.append(event)
                    last = event.position
            if not new:
                await log.wait(at)
                continue
            try:
                # The first statement writes: so it waits for others, and holds them off from here.
                moved = await db.execute(
                    "UPDATE checkpoint SET position = ? WHERE position = ?", (last, at)
                )
                await db.commit()
                if moved.rowcount == 1:
                    for event in new:
                        for sql, values in sql_of(event):
                            await db.execute(sql, values)
                    await db.commit()
            finally:
                await db.rollback()


@dataclass
class Model:
    position: int = 0
    orders: dict = field(default_factory=dict)
    customers: dict = field(default_factory=dict)

    def add(self, event):
        if event.position <= self.position:
            return
        self.position = event.position
        if event.type == "OrderPlaced":
            self.orders[event.data["order_id"]] = [event.data["customer"], "placed"]
            self.customers.setdefault(event.data["customer"], [0, 0])[0] += 1
        elif event.type in NEXT:
            self.orders[event.data["order_id"]][1] = NEXT[event.type]
        if event.type in ("PaymentTaken", "PaymentRefunded"):
            customer = self.orders[event.data["order_id"]][0]
            sign = 1 if event.type == "PaymentTaken" else -1
            self.customers[customer][1] += sign * event.data["amount"]


async def rebuild(log, database, *, batch=100):
    model = Model()
    async with aiosqlite.connect(database) as db:
        swapped = False
        while not swapped:
            while events := await log.read(model.position, batch):
                for event in events:
                    model.add(event)
            swapped = await swap(db, model)


async def swap(db, model):
    try:
        cursor = await db.execute(
            "UPDATE checkpoint SET position = ? WHERE position <= ?",
            (model.position, model.position),
        )
        if cursor.rowcount == 0:
            return False
        await db.execute("DELETE FROM orders")
        await db.execute("DELETE FROM customers")
        rows = [(key, *row) for key, row in model.orders.items()]
        await db.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
        rows = [(key, *row) for key, row in model.customers.items()]
        await db.executemany("INSERT INTO customers VALUES (?, ?, ?)", rows)
        await db.commit()
        return True
    finally:
        await db.rollback()
