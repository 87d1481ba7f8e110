"""Looks whether the order has been turned back before it reserves and before it pays, and not
before it ships.

mistake: none
fails: test_a_promise_to_cancel_is_kept, test_a_coordinator_that_stood_still_does_no_harm,
    test_a_coordinator_that_stood_still_keeps_the_promise,
    test_a_web_server_that_stood_still_tells_the_truth, test_killed_while_it_is_cancelled
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosqlite

Order = Mapping[str, Any]
Call = Callable[[str, str, str, Order], Awaitable[str]]


@dataclass(frozen=True)
class Step:
    """One transaction of the saga, and its compensation, if it has one."""

    command: str
    agent: str
    done: str
    undo: str | None = None


SAGA = (
    Step("ReserveStock", "inventory", "StockReserved", undo="ReleaseStock"),
    Step("TakePayment", "payment", "PaymentTaken", undo="RefundPayment"),
    Step("ShipOrder", "shipping", "OrderShipped"),  # the pivot: from here there is only forward
    Step("ConfirmDelivery", "shipping", "OrderDelivered"),
)

# A command's row is written before the command is sent. As long as its answer is NULL, nobody knows
# whether the command was carried out: that is what a coordinator has to find out which finds it so.
SCHEMA = (
    """CREATE TABLE IF NOT EXISTS orders (
        order_id TEXT PRIMARY KEY,
        placed TEXT NOT NULL,
        turned_back INTEGER NOT NULL DEFAULT 0,
        status TEXT NOT NULL DEFAULT 'running'
    )""",
    """CREATE TABLE IF NOT EXISTS commands (
        order_id TEXT NOT NULL,
        command TEXT NOT NULL,
        answer TEXT,
        PRIMARY KEY (order_id, command)
    )""",
)


async def place_order(database: str | Path, order: Order) -> None:
    """Write an order into the log."""
    async with _log(database) as log:
        await log.execute(
            "INSERT OR IGNORE INTO orders (order_id, placed) VALUES (?, ?)",
            (order["order_id"], json.dumps(dict(order))),
        )


async def cancel_order(database: str | Path, order_id: str) -> bool:
    """Turn an order back, unless it is too late; whether it will end as cancelled."""
    async with _log(database) as log:
        # Looking and turning back are one statement, and so is what `_may_send` does: whichever of
        # the two comes first, the other one sees it.
        await log.execute(
            "UPDATE orders SET turned_back = 1 WHERE order_id = ? AND NOT EXISTS ("
            " SELECT * FROM commands WHERE order_id = ? AND command = 'ShipOrder')",
            (order_id, order_id),
        )
        (turned_back,) = await _one(
            log, "SELECT turned_back FROM orders WHERE order_id = ?", order_id
        )
        return bool(turned_back)


async def status(database: str | Path, order_id: str) -> str:
    """What has become of an order: "running", "delivered" or "cancelled"."""
    async with _log(database) as log:
        (said,) = await _one(log, "SELECT status FROM orders WHERE order_id = ?", order_id)
        return str(said)


async def coordinate(database: str | Path, call: Call) -> None:
    """Bring all orders of the log, old and new, to their ends, until cancelled."""
    under_way: set[str] = set()
    async with _log(database) as log, asyncio.TaskGroup() as tasks:
        while True:
            rows = await log.execute_fetchall("SELECT placed FROM orders WHERE status = 'running'")
            for (placed,) in rows:
                order = json.loads(placed)
                if order["order_id"] not in under_way:
                    under_way.add(order["order_id"])
                    tasks.create_task(_carry_out(log, call, order))
            await asyncio.sleep(1)


async def _carry_out(log: aiosqlite.Connection, call: Call, order: Order) -> None:
    """From wherever an order is to its end. Any number may do this at once: all they do has the
    same keys, and which way to go is decided by the log."""
    end = "delivered" if await _forward(log, call, order) else "cancelled"
    if end == "cancelled":
        await _backward(log, call, order)
    await log.execute("UPDATE orders SET status = ? WHERE order_id = ?", (end, order["order_id"]))


async def _forward(log: aiosqlite.Connection, call: Call, order: Order) -> bool:
    for step in SAGA:
        early = step.command in ("ReserveStock", "TakePayment")
        if early and not await _may_send(log, order, step.command):
            return False
        if await _perform(log, call, order, step.agent, step.command) != step.done:
            await log.execute(
                "UPDATE orders SET turned_back = 1 WHERE order_id = ?", (order["order_id"],)
            )
            return False
    return True


async def _backward(log: aiosqlite.Connection, call: Call, order: Order) -> None:
    for step in reversed(SAGA):
        if step.undo is None or not await _may_have_been_sent(log, order, step.command):
            continue
        # It may have been sent by somebody who died before the answer came: ask what became of it.
        if await _perform(log, call, order, step.agent, step.command) == step.done:
            await _perform(log, call, order, step.agent, step.undo)


async def _may_send(log: aiosqlite.Connection, order: Order, command: str) -> bool:
    """Write down that a command is about to be sent, unless the order has been turned back."""
    order_id = order["order_id"]
    await log.execute(
        "INSERT OR IGNORE INTO commands (order_id, command)"
        " SELECT order_id, ? FROM orders WHERE order_id = ? AND NOT turned_back",
        (command, order_id),
    )
    (turned_back,) = await _one(log, "SELECT turned_back FROM orders WHERE order_id = ?", order_id)
    return not turned_back


async def _may_have_been_sent(log: aiosqlite.Connection, order: Order, command: str) -> bool:
    sql = "SELECT * FROM commands WHERE order_id = ? AND command = ?"
    return bool(await log.execute_fetchall(sql, (order["order_id"], command)))


async def _perform(
    log: aiosqlite.Connection, call: Call, order: Order, agent: str, command: str
) -> str:
    """Have an agent carry out a command, once; its answer, from the log if it is there."""
    of = (order["order_id"], command)
    await log.execute("INSERT OR IGNORE INTO commands (order_id, command) VALUES (?, ?)", of)
    sql = "SELECT answer FROM commands WHERE order_id = ? AND command = ?"
    (answer,) = await _one(log, sql, *of)
    if answer is None:
        answer = await _ask(call, agent, command, order)
        await log.execute(
            "UPDATE commands SET answer = ? WHERE order_id = ? AND command = ?", (answer, *of)
        )
    return str(answer)


async def _ask(call: Call, agent: str, command: str, order: Order) -> str:
    """Ask until there is an answer. The key is the same each time, whoever asks."""
    key = f"{order['order_id']}/{command}"
    pause = 1.0
    while True:
        try:
            answer = await call(agent, command, key, order)
            if answer != "Unavailable":
                return answer
        except (TimeoutError, ConnectionError):
            pass  # done or not: the same question again will tell
        await asyncio.sleep(pause)
        pause = min(pause * 2, 30)


@asynccontextmanager
async def _log(database: str | Path) -> AsyncIterator[aiosqlite.Connection]:
    """The log. Without an isolation level each statement is a transaction of its own."""
    async with aiosqlite.connect(database, isolation_level=None) as log:
        for statement in SCHEMA:
            await log.execute(statement)
        yield log


async def _one(log: aiosqlite.Connection, sql: str, *values: str) -> tuple[Any, ...]:
    for row in await log.execute_fetchall(sql, values):
        return tuple(row)
    raise LookupError(f"there is no order {values[0]}")
