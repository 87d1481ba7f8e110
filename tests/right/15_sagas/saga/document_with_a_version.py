"""Each order is a JSON document with a version; whoever has an old one begins again."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, NamedTuple

log = logging.getLogger(__name__)


class Step(NamedTuple):
    name: str
    agent: str
    ok: str
    undo: str = ""


PLAN = [
    Step("ReserveStock", "inventory", "StockReserved", "ReleaseStock"),
    Step("TakePayment", "payment", "PaymentTaken", "RefundPayment"),
    Step("ShipOrder", "shipping", "OrderShipped"),
    Step("ConfirmDelivery", "shipping", "OrderDelivered"),
]
OK = {"ReleaseStock", "RefundPayment"}


class Conflict(Exception):
    pass


@contextmanager
def opened(database):
    db = sqlite3.connect(database, timeout=60)
    try:
        with db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS sagas (id TEXT PRIMARY KEY, version INT, doc TEXT)"
            )
        yield db
    finally:
        db.close()


def read(database, order_id) -> tuple[int, dict[str, Any]]:
    with opened(database) as db:
        row = db.execute("SELECT version, doc FROM sagas WHERE id = ?", (order_id,)).fetchone()
    if row is None:
        raise LookupError(order_id)
    return row[0], json.loads(row[1])


def change(database, order_id, how: Callable[[dict[str, Any]], Any]) -> Any:
    """Read, compute, compare and swap."""
    while True:
        version, doc = read(database, order_id)
        result = how(doc)
        with opened(database) as db, db:
            done = db.execute(
                "UPDATE sagas SET version = version + 1, doc = ? WHERE id = ? AND version = ?",
                (json.dumps(doc), order_id, version),
            )
            if done.rowcount:
                return result
        log.info("somebody else was quicker with %s", order_id)


async def place_order(database, order):
    doc = {"order": dict(order), "sent": [], "answers": {}, "back": False, "end": None}
    with opened(database) as db, db:
        db.execute(
            "INSERT OR IGNORE INTO sagas VALUES (?, 0, ?)", (order["order_id"], json.dumps(doc))
        )


async def cancel_order(database, order_id):
    def turn(doc):
        if doc["end"] is None and "ShipOrder" not in doc["sent"]:
            doc["back"] = True
        return doc["back"]

    return change(database, order_id, turn)


async def status(database, order_id):
    _, doc = read(database, order_id)
    return doc["end"] or "running"


def next_command(doc):
    """What is to be asked for now, and from whom; it is noted as sent. Or None: it has ended."""
    if doc["end"]:
        return None
    answers, sent = doc["answers"], doc["sent"]
    if not doc["back"]:
        for step in PLAN:
            if answers.get(step.name) == step.ok:
                continue
            if step.name not in sent:
                sent.append(step.name)
            return step.name, step.agent
        doc["end"] = "delivered"
        return None
    for step in reversed(PLAN):
        if step.name in sent and step.name not in answers:
            return step.name, step.agent
        if answers.get(step.name) == step.ok and step.undo and step.undo not in answers:
            if step.undo not in sent:
                sent.append(step.undo)
            return step.undo, step.agent
    doc["end"] = "cancelled"
    return None


def note(command, answer):
    def change_doc(doc):
        doc["answers"].setdefault(command, answer)
        if answer.endswith(("Refused", "Declined")):
            doc["back"] = True

    return change_doc


async def one_order(database, call, order_id):
    failures = 0
    while True:
        command = change(database, order_id, next_command)
        if command is None:
            return
        name, agent = command
        _, doc = read(database, order_id)
        try:
            answer = await call(agent, name, f"{order_id}#{name}", doc["order"])
        except (TimeoutError, ConnectionError) as error:
            log.warning("%s %s: %r", name, order_id, error)
            answer = "Unavailable"
        if answer == "Unavailable":
            failures += 1
            await asyncio.sleep(min(1.0 + 0.5 * failures, 20))
            continue
        failures = 0
        change(database, order_id, note(name, answer))


async def coordinate(database, call):
    running: dict[str, asyncio.Task[None]] = {}
    try:
        while True:
            with opened(database) as db:
                rows = db.execute("SELECT id, doc FROM sagas").fetchall()
            for order_id, doc in rows:
                if order_id not in running and json.loads(doc)["end"] is None:
                    running[order_id] = asyncio.create_task(one_order(database, call, order_id))
            for order_id, task in list(running.items()):
                if task.done():
                    task.result()
                    del running[order_id]
            await asyncio.sleep(2)
    finally:
        for task in running.values():
            task.cancel()
        await asyncio.gather(*running.values(), return_exceptions=True)
