"""Each agent tells the story of an order as a generator, which waits for what it needs.

Whenever an event comes, the story is told again from the beginning: what has been done before is
not done again, its outcome is read from the log.
"""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    order_id: str
    data: dict


LOG = (
    "CREATE TABLE log (number INTEGER PRIMARY KEY, order_id TEXT, type TEXT, data TEXT);"
    "CREATE TABLE outcomes (order_id TEXT, step INTEGER, outcome INTEGER);"
)
TABLES = {"inventory": LOG, "payment": LOG, "shipping": LOG, "orders": LOG}
PUT_BACK = "UPDATE stock SET available = available + ? WHERE sku = ?"
TAKE = "UPDATE stock SET available = available - ? WHERE sku = ? AND available >= ?"
PAY = "UPDATE accounts SET balance = balance + ? WHERE customer = ? AND balance + ? >= 0"
SHIP = "INSERT INTO parcels (order_id) SELECT ? FROM addresses WHERE customer = ?"
CLOSE = "UPDATE orders SET status = ? WHERE order_id = ?"


class Wait:
    """Until one of these has been heard; the answer is the position in the log, from 0."""

    def __init__(self, *types):
        self.types = types


def do(sql, *values):
    """The answer is how many rows were changed."""
    return sql, values


def say(type_, **data):
    sql = "INSERT INTO outbox (type, order_id, data) VALUES (?, ?, ?)"
    return lambda order_id: (sql, (type_, order_id, json.dumps(data)))


def inventory_story(heard, order_id):
    yield Wait("OrderPlaced")
    items, taken = heard["OrderPlaced"]["items"], {}
    if "PaymentDeclined" in heard or "ShipmentRefused" in heard:
        yield say("StockRefused", sku=None)
        return
    for sku, quantity in items.items():
        if (yield do(TAKE, quantity, sku, quantity)):
            taken[sku] = quantity
        else:
            for other, number in taken.items():
                yield do(PUT_BACK, number, other)
            yield say("StockRefused", sku=sku)
            return
    yield say("StockReserved")
    yield Wait("PaymentDeclined", "ShipmentRefused")
    for sku, quantity in items.items():
        yield do(PUT_BACK, quantity, sku)
    yield say("StockReleased")


def payment_story(heard, order_id):
    yield Wait("StockReserved")
    yield Wait("OrderPlaced")
    customer, total = heard["OrderPlaced"]["customer"], heard["OrderPlaced"]["total"]
    if "ShipmentRefused" in heard:
        yield say("PaymentDeclined", reason="called off")
    elif (yield do(PAY, -total, customer, -total)):
        yield say("PaymentTaken", amount=total)
        yield Wait("ShipmentRefused")
        yield do(PAY, total, customer, total)
        yield say("PaymentRefunded", amount=total)
    else:
        yield say("PaymentDeclined", reason="account overdrawn")


def shipping_story(heard, order_id):
    while "CancelRequested" not in heard and len(heard) < 2:
        yield Wait("CancelRequested", *{"PaymentTaken", "OrderPlaced"} - heard.keys())
    if "CancelRequested" in heard:
        yield say("ShipmentRefused", reason="cancelled")
    elif (yield do(SHIP, order_id, heard["OrderPlaced"]["customer"])):
        sql = (
            "INSERT INTO outbox (type, order_id, data) SELECT 'OrderShipped', order_id, "
            "json_object('parcel', parcel) FROM parcels WHERE order_id = ?"
        )
        yield do(sql, order_id)
    else:
        yield say("ShipmentRefused", reason="no address")


def orders_story(heard, order_id):
    yield Wait("OrderShipped", "StockRefused", "StockReleased")
    if "OrderShipped" in heard:
        yield do(CLOSE, "shipped", order_id)
        return
    if "StockRefused" not in heard:
        yield Wait("PaymentDeclined", "PaymentRefunded")
    yield do(CLOSE, "cancelled", order_id)
    yield say("OrderCancelled", reason="undone")


class Agent:
    def __init__(self, story):
        self.story = story

    async def __call__(self, db, event):
        await db.execute("BEGIN IMMEDIATE")
        await db.execute(
            "INSERT INTO log (order_id, type, data) VALUES (?, ?, ?)",
            (event.order_id, event.type, json.dumps(event.data)),
        )
        log = await db.execute_fetchall(
            "SELECT type, data FROM log WHERE order_id = ? ORDER BY number", (event.order_id,)
        )
        outcomes = await db.execute_fetchall(
            "SELECT outcome FROM outcomes WHERE order_id = ? ORDER BY step", (event.order_id,)
        )
        await self.tell(db, event.order_id, list(log), [outcome for (outcome,) in outcomes])
        await db.commit()

    async def tell(self, db, order_id, log, outcomes):
        """Tell the story event by event; what has no outcome yet is done now."""
        heard, done = {}, 0
        story = self.story(heard, order_id)
        wish = next(story, None)
        for type_, data in log:
            heard.setdefault(type_, json.loads(data))
            while wish is not None:
                if isinstance(wish, Wait):
                    if not heard.keys() & set(wish.types):
                        break
                    outcome = None
                else:
                    if done == len(outcomes):
                        outcomes.append(await self.carry_out(db, order_id, done, wish))
                    outcome = outcomes[done]
                    done += 1
                try:
                    wish = story.send(outcome)
                except StopIteration:
                    wish = None

    async def carry_out(self, db, order_id, step, wish):
        sql, values = wish(order_id) if callable(wish) else wish
        outcome = max((await db.execute(sql, values)).rowcount, 0)
        await db.execute("INSERT INTO outcomes VALUES (?, ?, ?)", (order_id, step, outcome))
        return outcome


inventory, payment = Agent(inventory_story), Agent(payment_story)
shipping, orders = Agent(shipping_story), Agent(orders_story)
