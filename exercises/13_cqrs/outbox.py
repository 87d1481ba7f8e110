"""Tell others what has changed: never nothing, and never what has not.

The shop keeps its orders in a database, and others have to hear of each change: the warehouse, the
mails, the read models. They listen to RabbitMQ. The commit is one thing and the publish another,
and a process may die between the two, in either order. So the message is written into the
database, into a table called the *outbox*, in the transaction of the change; and a relay publishes
what is in there, again and again, until the broker has it.

Write `Shop`. Commands and the relay are in one program here:

    async with Shop("shop.db", url) as shop:
        await shop.place_order("o-17", "ada", 4900)
        await shop.cancel_order("o-17", "found it cheaper")

The database (SQLite, WAL) is there, with these tables:

    CREATE TABLE orders (order_id TEXT PRIMARY KEY, customer TEXT NOT NULL,
                         total INTEGER NOT NULL, status TEXT NOT NULL)
    CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL UNIQUE,
                         order_id TEXT NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL,
                         sent INTEGER NOT NULL DEFAULT 0)

Commands
  1. `place_order` adds an order with status "placed"; its message has the type "OrderPlaced" and
     the data {"order_id": ..., "customer": ..., "total": ...}. If the order_id is there already,
     it raises OrderExists. `cancel_order` sets the status "cancelled"; "OrderCancelled",
     {"order_id": ..., "reason": ...}. If there is no such order, or it is cancelled already, it
     raises CannotCancel. A command that raises changes nothing.
  2. The change and its row in `outbox` (data as JSON, sent 0) are committed in one transaction:
     neither is ever there without the other, also if the process is killed or the command is
     cancelled, at any await. Commands run side by side, in one shop and in several on one database.
  3. They never wait for the broker, nor does the beginning of the block. It may be down for long.

The relay, while the block runs
  4. It publishes every row with sent 0, also those that another process has left, and none that is
     not committed: to the exchange "orders", which is there (topic, durable), with the type as
     routing key and the row's data as body, persistent, under the row's message_id. If the broker
     is there, a committed message is in the queues within five seconds.
  5. `sent` becomes 1 when the broker has confirmed the message, and not before. The same message
     may be published twice, since nobody knows; but never not at all.
  6. What is returned by the broker (no queue is bound for it), or refused, is not sent. It is
     tried again every five seconds or more often. Until it succeeds it holds up what comes after
     it in the same order, and nothing of any other order.
  7. A queue gets the first copies of an order's messages in the order of their ids.
  8. If the connection breaks or the broker goes down, the relay carries on within five seconds of
     its return. While it waits for the broker, it keeps nobody from writing to the database.
  9. When the block ends, the relay stops, within five seconds, and connections are closed. What is
     not sent stays in the outbox for the next one.

Out of scope: old rows (they stay); a database that fails; a broker that says nothing at all.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType


class OrderExists(Exception):
    """There is an order with that id already."""


class CannotCancel(Exception):
    """There is no such order, or it has been cancelled."""


class Shop:
    """Takes orders, and tells others. For use in an `async with`."""

    def __init__(self, database: str | Path, url: str) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Shop:
        raise NotImplementedError

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        raise NotImplementedError

    async def place_order(self, order_id: str, customer: str, total: int) -> None:
        """Place an order over `total` cents. Raises OrderExists."""
        raise NotImplementedError

    async def cancel_order(self, order_id: str, reason: str) -> None:
        """Cancel an order. Raises CannotCancel."""
        raise NotImplementedError
