"""Each request gets an id of its own, as one learns it for tracing. To the agent, each attempt is
another payment.

mistake: new-key-per-attempt
also: compensation-not-idempotent, acts-before-it-writes
fails: test_silence_is_no_answer, test_a_failed_compensation_is_tried_again,
    test_killed_anywhere_it_goes_forward, test_killed_anywhere_it_goes_back,
    test_killed_and_cancelled_nothing_is_left, test_two_coordinators_on_one_log,
    test_every_order_comes_to_an_end, test_a_promise_to_cancel_is_kept,
    test_it_ends_when_it_is_cancelled,
    test_a_coordinator_that_stood_still_does_no_harm,
    test_a_coordinator_that_stood_still_keeps_the_promise
"""

import asyncio
import contextlib
import json
import sqlite3
import uuid

import aiosqlite

PLAN = [
    ("inventory", "ReserveStock", "StockReserved", "ReleaseStock"),
    ("payment", "TakePayment", "PaymentTaken", "RefundPayment"),
    ("shipping", "ShipOrder", "OrderShipped", None),
    ("shipping", "ConfirmDelivery", "OrderDelivered", None),
]


class History:
    def __init__(self, events):
        self.version = len(events)
        self.order = None
        self.asked, self.answers = [], {}
        self.back = False
        self.end = None
        for event in events:
            getattr(self, "on_" + event["type"])(event)

    def on_Placed(self, event):
        self.order = event["order"]

    def on_Asked(self, event):
        self.asked.append(event["command"])

    def on_Answered(self, event):
        self.answers[event["command"]] = event["answer"]
        if event["answer"] in ("StockRefused", "PaymentDeclined", "ShipmentRefused"):
            self.back = True

    def on_Cancelled(self, event):
        self.back = True

    def on_Ended(self, event):
        self.end = event["how"]

    def next(self):
        """What to do now: (agent, command), or how it has ended."""
        if not self.back:
            for agent, command, done, _ in PLAN:
                if self.answers.get(command) != done:
                    return agent, command
            return "delivered"
        for agent, command, done, undo in reversed(PLAN):
            if command not in self.asked:
                continue
            if command not in self.answers:
                return agent, command  # nobody knows whether it has happened: find out
            if self.answers[command] == done and undo not in self.answers:
                return agent, undo
        return "cancelled"


@contextlib.asynccontextmanager
async def opened(database):
    async with aiosqlite.connect(database, isolation_level=None) as db:
        await db.execute(
            "CREATE TABLE IF NOT EXISTS events (stream TEXT, version INTEGER, body TEXT,"
            " UNIQUE (stream, version))"
        )
        yield db


async def load(db, order_id):
    rows = await db.execute_fetchall(
        "SELECT body FROM events WHERE stream = ? ORDER BY version", (order_id,)
    )
    return History([json.loads(body) for (body,) in rows])


async def append(db, order_id, version, **event):
    """False if somebody else has appended first."""
    try:
        await db.execute(
            "INSERT INTO events VALUES (?, ?, ?)", (order_id, version + 1, json.dumps(event))
        )
    except sqlite3.IntegrityError:
        return False
    return True


async def known(db, order_id):
    history = await load(db, order_id)
    if history.order is None:
        raise LookupError(order_id)
    return history


async def place_order(database, order):
    async with opened(database) as db:
        await append(db, order["order_id"], 0, type="Placed", order=dict(order))


async def cancel_order(database, order_id):
    async with opened(database) as db:
        while True:
            history = await known(db, order_id)
            if history.back:
                return True
            if "ShipOrder" in history.asked:
                return False
            if await append(db, order_id, history.version, type="Cancelled"):
                return True


async def status(database, order_id):
    async with opened(database) as db:
        return (await known(db, order_id)).end or "running"


async def saga(db, call, order_id):
    while True:
        history = await load(db, order_id)
        if history.end:
            return
        todo = history.next()
        if isinstance(todo, str):
            await append(db, order_id, history.version, type="Ended", how=todo)
            continue
        agent, command = todo
        if command not in history.asked:
            await append(db, order_id, history.version, type="Asked", command=command)
            continue
        try:
            answer = await call(agent, command, uuid.uuid4().hex, history.order)
        except (TimeoutError, ConnectionError):
            answer = "Unavailable"
        if answer == "Unavailable":
            await asyncio.sleep(5)
            continue
        history = await load(db, order_id)
        if command not in history.answers:
            await append(
                db, order_id, history.version, type="Answered", command=command, answer=answer
            )


async def coordinate(database, call):
    tasks = {}
    async with opened(database) as db, asyncio.TaskGroup() as group:
        while True:
            for (order_id,) in await db.execute_fetchall(
                "SELECT DISTINCT stream FROM events WHERE stream NOT IN"
                " (SELECT stream FROM events WHERE body LIKE '%\"Ended\"%')"
            ):
                if order_id not in tasks:
                    tasks[order_id] = group.create_task(saga(db, call, order_id))
            await asyncio.sleep(1)
