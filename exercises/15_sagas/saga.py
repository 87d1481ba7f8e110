"""Bring every order to an end, delivered or with all undone, whatever is lost and whoever dies.

A shop sells lamps. Three agents do what an order needs: inventory, payment, shipping. Each has its
own database, and they are asked over a network that loses, delays and doubles messages. You write
the coordinator that asks them, and what the shop's web server calls. These processes share one
file of SQLite: the coordinator's log. Any of them may be killed at any moment, from one line to the
next, and then another one is started.

    await place_order(database, order)        # the web server, at any time
    await cancel_order(database, "o-1")       # the customer has had second thoughts
    await status(database, "o-1")             # "running", "delivered" or "cancelled"
    await coordinate(database, call)          # the coordinator: runs until it is cancelled

    order = {"order_id": "o-1", "customer": "ada", "items": {"lamp": 2}, "total": 2400}

The steps of an order, in this order:

    command          agent      done            refused          undone by
    ReserveStock     inventory  StockReserved   StockRefused     ReleaseStock  -> StockReleased
    TakePayment      payment    PaymentTaken    PaymentDeclined  RefundPayment -> PaymentRefunded
    ShipOrder        shipping   OrderShipped    ShipmentRefused  -
    ConfirmDelivery  shipping   OrderDelivered  -                -

An agent is asked by `answer = await call("payment", "TakePayment", key, order)`, with the order as
it was placed. The answer is one of the words above, or "Unavailable". What the agents promise:

  - For a key that it has seen, an agent does nothing, and answers as it did before, also if that
    was a refusal. It never forgets one. A key belongs to one command of one order.
  - With another key it does it once more: it charges again, it refunds again. It does not look
    whether what it is to undo has ever been done.
  - "Unavailable" says: not now. This request has done nothing. Its key may be used again.
  - If `call` raises TimeoutError (after 10 s) or ConnectionError, nobody knows: it may have been
    done, or be done minutes from now, or never.

Rules
  1. When place_order has returned, the order will come to an end. Placing one that is there already
     (the same order_id), or has ended, changes nothing.
  2. A step is asked for when the one before it is done. When all are done, the order is delivered.
  3. If a step is refused, those before it are undone, the last one first, and each only when the
     one after it has been undone. Then the order is cancelled. What was never done is not undone.
  4. Only a refusal or cancel_order turns an order back. Silence and "Unavailable" do not: then the
     same is asked again, a second later or more, until the answer is there. On the way back it is
     the same, however often that takes.
  5. Nothing is done twice, and nothing is undone twice.
  6. cancel_order returns True if the order will end as cancelled, or has, whatever the reason: that
     is a promise. It returns False if it is too late: if ShipOrder has been sent or is about to be,
     and is not known to be refused. Then the order goes on as if nobody had asked.
  7. status says "delivered" or "cancelled" when all of that has happened, and from then on for
     ever. It and cancel_order raise LookupError for an order that was never placed.
  8. All this holds if a process is killed, at any await; if one stands still at any await for some
     minutes and then goes on (not in a transaction); and if several coordinators run at once on one
     log, as they do during a deploy.
  9. Orders do not wait for one another. While a coordinator is running and the agents answer, every
     order comes to its end within ten minutes: one that was placed just now, and one whose
     coordinator has been killed.
 10. When `coordinate` is cancelled, it ends, and with it everything that it has started.

The file is there, empty, in WAL mode; make what tables you like. Out of scope: two different orders
of one order_id, a log that grows for ever, a disk that fails.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

Order = Mapping[str, Any]
"""order_id: str, customer: str, items: SKU -> quantity, total: cents. It can be written as JSON."""

Call = Callable[[str, str, str, Order], Awaitable[str]]
"""Agent, command, key, order -> the answer. Raises TimeoutError or ConnectionError."""


async def place_order(database: str | Path, order: Order) -> None:
    """Write an order into the log."""
    raise NotImplementedError


async def cancel_order(database: str | Path, order_id: str) -> bool:
    """Turn an order back, unless it is too late; whether it will end as cancelled."""
    raise NotImplementedError


async def status(database: str | Path, order_id: str) -> str:
    """What has become of an order: "running", "delivered" or "cancelled"."""
    raise NotImplementedError


async def coordinate(database: str | Path, call: Call) -> None:
    """Bring all orders of the log, old and new, to their ends, until cancelled."""
    raise NotImplementedError
