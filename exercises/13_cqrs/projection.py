"""Keep a read model up to date, and build it anew while people read it.

The shop writes down what happens, as events in a log (module 12). Its pages want rows: how is my
order, and what has ada paid us? A projector reads the log and keeps these rows, in a *read model*.
Every deploy kills it in the middle of something, and for a while the old one and the new one both
run. When its code had a bug, the rows are wrong, and are made again from the first event on; and
customers go on reading meanwhile.

Write `project` and `rebuild`. `Event` and `Log` are given; leave them as they are. The read model
is a file of SQLite (WAL: readers wait for nobody) with these tables; the one row of `checkpoint`
has position 0 at first:

    CREATE TABLE orders (order_id TEXT PRIMARY KEY, customer TEXT NOT NULL, status TEXT NOT NULL)
    CREATE TABLE customers
        (customer TEXT PRIMARY KEY, orders INTEGER NOT NULL, paid INTEGER NOT NULL)
    CREATE TABLE checkpoint (position INTEGER NOT NULL)

What an event does (`data["order_id"]` says which order it is about):

    OrderPlaced      a row in `orders`, "placed"; 1 to `orders` of the customer, data["customer"]
    StockReserved    the order's status is "reserved"
    PaymentTaken     it is "paid"; data["amount"], in cents, is added to its customer's `paid`
    PaymentRefunded  data["amount"] is taken off its customer's `paid`
    OrderShipped, OrderDelivered, OrderCancelled: it is "shipped", "delivered", "cancelled"

Rules
  1. Whoever reads the three tables in one transaction, at any moment, sees exactly what the events
     up to the checkpoint's position make, each of them once.
  2. So it is also if `project` is killed at any await and started again, if it is cancelled, and if
     several run on one database at once. None of them raises because of the others.
  3. An event of any other type changes no row of `orders` or `customers`, and moves the checkpoint.
  4. While you wait for the log, no transaction is open: the log may be slow, and others want to
     write. When there is nothing new, wait by `log.wait`; do not read again and again.
  5. `project` runs until it is cancelled. Then its connections are closed.
  6. `rebuild` is called, in another process, when rows are wrong; the checkpoint is right. It makes
     all rows again, from the first event on. Until it is done, readers see the old rows, which
     `project` may carry on with, and then the new ones: never anything in between. They have
     connections of their own, open all the time, to this file. The checkpoint never goes back,
     whatever happens meanwhile.
  7. When `rebuild` returns, the new model is there, in the tables above (with their keys), with at
     least the events that were in the log when it was called; its connections are closed. If it
     is killed or cancelled at any await, readers have one of the two models, others can write,
     and another `rebuild` does it.

You may add tables of your own to the database.

Out of scope: two rebuilds at once, and a log or a database that fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Event:
    """Something that happened, as the log has it."""

    position: int
    id: str
    type: str
    data: Mapping[str, Any]


class Log(Protocol):
    """Events in order. Positions begin at 1 and rise; some numbers are missing for good."""

    async def read(self, after: int, limit: int) -> Sequence[Event]:
        """The next events behind `after`, `limit` of them at most, perhaps fewer; none only if
        there are none yet.

        At least once: it may repeat events. Those it gives may begin with some that are not behind
        `after`, and may hold one several times in a row. Positions never go down in them.
        """
        ...

    async def wait(self, after: int) -> None:
        """Returns as soon as there is an event behind `after`."""
        ...


async def project(log: Log, database: str | Path, *, batch: int = 100) -> None:
    """Keep the read model up to date, reading `batch` events at a time, until cancelled."""
    raise NotImplementedError


async def rebuild(log: Log, database: str | Path, *, batch: int = 100) -> None:
    """Make the read model again from the first event, beside the live one, and swap it in."""
    raise NotImplementedError
