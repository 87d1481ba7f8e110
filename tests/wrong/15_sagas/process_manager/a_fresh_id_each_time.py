"""Every message has an id of its own, as messages do: also one that is sent again.

mistake: new-key-per-attempt
also: compensation-not-idempotent, acts-before-it-writes
fails: test_what_is_lost_is_sent_again, test_killed_anywhere_an_order_ends_well,
    test_unknown_is_not_failed, test_the_deadline_survives_a_restart,
    test_shipping_may_take_long, test_orders_do_not_wait_for_one_another,
    test_a_reply_in_time_is_in_time, test_what_was_due_is_done_at_once,
    test_anything_at_any_time, test_each_order_has_a_deadline_of_its_own
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiosqlite


@dataclass(frozen=True)
class Message:
    """A command, a reply, or what the shop is told. Copies have the same `id`.

    `reply_to` is the id of the command that this replies to.
    """

    id: str
    type: str
    order_id: str
    data: Mapping[str, Any] = field(default_factory=dict)
    reply_to: str | None = None


class Bus(Protocol):
    """What brings messages, and takes them."""

    async def receive(self) -> Message:
        """The next message for the manager; waits for one.

        If it has not been acknowledged when the manager is killed, the next one gets it again.
        """

    async def acknowledge(self, message: Message) -> None:
        """This message need not come again."""

    async def send(self, to: str, message: Message) -> None:
        """Send to "inventory", "payment", "shipping" or "shop". When this returns, it is sent."""


_AGENTS = {
    "ReserveStock": "inventory",
    "ReleaseStock": "inventory",
    "TakePayment": "payment",
    "CancelPayment": "payment",
    "RefundPayment": "payment",
    "ShipOrder": "shipping",
    "ConfirmDelivery": "shipping",
    "OrderDelivered": "shop",
    "OrderCancelled": "shop",
}
_NEXT = {
    # What an order waits for, what comes, and what it does then. Whatever is not here is a copy, or
    # late, and changes nothing.
    ("ReserveStock", "StockReserved"): "TakePayment",
    ("ReserveStock", "StockRefused"): "OrderCancelled",
    ("TakePayment", "PaymentTaken"): "ShipOrder",
    ("TakePayment", "PaymentDeclined"): "ReleaseStock",
    ("TakePayment", "time is up"): "CancelPayment",
    ("CancelPayment", "PaymentCancelled"): "ReleaseStock",
    ("CancelPayment", "PaymentTaken"): "RefundPayment",
    ("CancelPayment", "PaymentDeclined"): "ReleaseStock",
    ("RefundPayment", "PaymentRefunded"): "ReleaseStock",
    ("ReleaseStock", "StockReleased"): "OrderCancelled",
    ("ShipOrder", "OrderShipped"): "ConfirmDelivery",
    ("ShipOrder", "ShipmentRefused"): "RefundPayment",
    ("ConfirmDelivery", "OrderDelivered"): "OrderDelivered",
}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY,
    data TEXT NOT NULL,
    doing TEXT,              -- the command that waits for its reply; NULL: the order has ended
    send_at REAL,            -- when it is to be sent next
    deadline REAL            -- when it is too late for its reply
)
"""


async def manage(
    database: str | Path, bus: Bus, *, deadline: float = 600.0, retry: float = 30.0
) -> None:
    """Bring all orders to their ends, old and new, until cancelled. Times in seconds."""
    async with aiosqlite.connect(database) as db:
        await db.execute(_SCHEMA)
        await db.commit()
        manager = _Manager(db, bus, deadline, retry)
        while True:
            # Everything that is to happen some day is in the table, with its time. So it does not
            # matter which process looks: this one, or the one that is started after it.
            await manager.do_what_is_due()
            message = await _receive_until(bus, await manager.next_time())
            if message is not None:
                await manager.on_message(message)


async def _receive_until(bus: Bus, then: float | None) -> Message | None:
    """The next message, or None if there is none by then."""
    if then is None:
        return await bus.receive()
    try:
        async with asyncio.timeout(max(0.0, then - time.time())):
            return await bus.receive()
    except TimeoutError:
        return None


class _Manager:
    def __init__(self, db: aiosqlite.Connection, bus: Bus, deadline: float, retry: float) -> None:
        self._db, self._bus, self._deadline, self._retry = db, bus, deadline, retry

    async def on_message(self, message: Message) -> None:
        """One step of one order is committed, then the message is acknowledged."""
        if message.type == "OrderPlaced":
            await self._db.execute(
                "INSERT OR IGNORE INTO orders VALUES (?, ?, 'ReserveStock', ?, NULL)",
                (message.order_id, json.dumps(message.data), time.time()),
            )
        else:
            await self._step(message.order_id, message.type)
        await self._db.commit()
        await self._bus.acknowledge(message)

    async def do_what_is_due(self) -> None:
        """Turn back whose time is up, and send what is to be sent."""
        now = time.time()
        for (order_id,) in await self._db.execute_fetchall(
            "SELECT order_id FROM orders WHERE deadline <= ?", (now,)
        ):
            # It does not say that the payment has failed. It says that we do not wait for it.
            await self._step(order_id, "time is up")
        await self._db.commit()
        for order_id, data, doing in await self._db.execute_fetchall(
            "SELECT order_id, data, doing FROM orders WHERE send_at <= ?", (now,)
        ):
            # The id is made of what shall happen: sent again, after a timeout or a crash, it is the
            # same command.
            command = Message(str(uuid.uuid4()), doing, order_id, json.loads(data))
            await self._bus.send(_AGENTS[doing], command)
            await self._sent(order_id, doing, now)

    async def next_time(self) -> float | None:
        """When something is due next; None if nothing ever is."""
        rows = await self._db.execute_fetchall("SELECT MIN(send_at), MIN(deadline) FROM orders")
        (times,) = rows
        return min((at for at in times if at is not None), default=None)

    async def _step(self, order_id: str, what: str) -> None:
        """Something has happened to an order: what does it do now?"""
        rows = await self._db.execute_fetchall(
            "SELECT doing FROM orders WHERE order_id = ?", (order_id,)
        )
        for (doing,) in rows:
            command = _NEXT.get((doing, what))
            if command is not None:
                now = time.time()
                await self._db.execute(
                    "UPDATE orders SET doing = ?, send_at = ?, deadline = ? WHERE order_id = ?",
                    (
                        command,
                        now,
                        now + self._deadline if command == "TakePayment" else None,
                        order_id,
                    ),
                )

    async def _sent(self, order_id: str, command: str, now: float) -> None:
        """It is to be sent again if no reply comes. The shop does not reply: that was the end."""
        if _AGENTS[command] == "shop":
            await self._db.execute(
                "UPDATE orders SET doing = NULL, send_at = NULL WHERE order_id = ?", (order_id,)
            )
        else:
            await self._db.execute(
                "UPDATE orders SET send_at = ? WHERE order_id = ?", (now + self._retry, order_id)
            )
        await self._db.commit()
