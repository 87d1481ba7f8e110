"""Bring every order to an end by messages, when the answer may be late, or never come.

The coordinator of `saga.py` asks and waits for the answer. This one does not wait: it sends a
command, and some day a reply is in its inbox, or two, or none. In between it may have been killed,
and started again. A *process manager* is a state for each order, in a database, and what to do next
when a message comes, or when time is up. And there is one thing in it that hurts: the customer will
not wait for the bank for ever, and the bank has not said whether it has taken the money.

    await manage("manager.db", bus)       # runs until it is cancelled

The shop sends OrderPlaced; its `data` is {"customer": "ada", "items": {"lamp": 2}, "total": 2400}.
You send commands to the agents, with the same `data`, and they reply. (What you send to the shop
may have any data.)

    to         command          reply            or
    inventory  ReserveStock     StockReserved    StockRefused
               ReleaseStock     StockReleased
    payment    TakePayment      PaymentTaken     PaymentDeclined
               CancelPayment    PaymentCancelled: it was not taken, and never will be
                                                 PaymentTaken: it was, and you are too late
               RefundPayment    PaymentRefunded
    shipping   ShipOrder        OrderShipped     ShipmentRefused
               ConfirmDelivery  OrderDelivered

An agent does a command once for each `id`: for an id that it has seen it does nothing, and replies
as it did before. With another id it does it once more. It does not look whether what it is to undo
has been done. Commands and replies may be lost, late, doubled, and overtake each other. What goes
to or comes from the shop is not lost, but may come twice.

Rules
  1. ReserveStock, TakePayment, ShipOrder, ConfirmDelivery, in this order, each when the one before
     it has been done. After OrderDelivered, send OrderDelivered to "shop".
  2. After a refusal, what was done is undone, the last thing first, each when the one before it has
     been undone. Then, and no sooner, send OrderCancelled to "shop". Nothing is undone that was
     never done; nothing is done or undone twice.
  3. A command without a reply is sent again, `retry` seconds after it was last sent (or up to twice
     that; after a restart also sooner), until a reply comes. When an order has ended, nothing more
     is sent for it, but for a copy of what the shop was told, if the manager is killed just then.
  4. If `deadline` seconds after TakePayment was first sent its reply has not come, the order is
     turned back, and will not be shipped, even if the reply comes two seconds later. (A second more
     or less is no matter: it is enough to look once a second.) Whether the money was taken is not
     known then. If it was, it is refunded, whenever you learn of it. (A reply that came while no
     manager was running: in time or too late, both are right.)
  5. Shipping has no deadline: once ShipOrder has been sent, only ShipmentRefused turns an order
     back.
  6. The manager may be killed, at any await, and is started again, sooner or later. All this still
     holds. The deadline does not begin anew, and what was due meanwhile is done at once.
  7. Orders do not wait for one another.
  8. Every message is acknowledged: once what has to be remembered of it has been committed.

The file is there, empty; make what tables you like. One manager runs at a time. `time.time()` is
right, also after a restart; `time.monotonic()` and `loop.time()` may begin anew then.

Out of scope: customers who cancel; two different orders of one order_id; a bus that is down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


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
        """The next message for the manager; waits for one. Cancelled, it has taken none.

        If it has not been acknowledged when the manager is killed, the next one gets it again.
        """

    async def acknowledge(self, message: Message) -> None:
        """This message need not come again."""

    async def send(self, to: str, message: Message) -> None:
        """Send to "inventory", "payment", "shipping" or "shop". When this returns, it is sent."""


async def manage(
    database: str | Path, bus: Bus, *, deadline: float = 600.0, retry: float = 30.0
) -> None:
    """Bring all orders to their ends, old and new, until cancelled. Times in seconds."""
    raise NotImplementedError
