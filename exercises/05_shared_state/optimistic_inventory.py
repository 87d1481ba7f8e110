"""Reserve items in a database that other programs change, too.

The stock is in a database now, and several programs sell from it. A lock in one of them is nothing
to the others. What an order costs depends on how many are left, as it does with seats in a plane:
the price service knows, and it takes its time. Nobody may hold up the whole shop meanwhile. So you
read, you ask, and you write only if what you have read is still true.

Write `reserve`. `Quote`, `SoldOut` and `Conflict` are given; leave them as they are. There are two
tables:

    CREATE TABLE stock (sku TEXT PRIMARY KEY, available INTEGER NOT NULL, version INTEGER NOT NULL)
    CREATE TABLE reservations (order_id TEXT PRIMARY KEY, price INTEGER NOT NULL)

Rules
  1. A reservation takes its items off `available`, adds 1 to the `version` of each of these rows,
     and adds a row to `reservations`, with the price in cents. All of this happens at once: nobody
     ever sees a part of it. `reserve` returns the price.
  2. If there are too few of any item, SoldOut is raised, and nothing is changed. Of an item that is
     not in the table there are 0.
  3. The price is what `await quote(counts)` answers; `counts` says how many there are `available`
     of each item of the order. The reservation is made only if the counts are still the same when
     it is made. If they have changed, nothing is written, and all begins again: read, quote, write.
  4. It begins at most `attempts` times. Then Conflict is raised, and nothing is changed.
  5. While `quote` is thinking, nobody waits for you: others read and write, also the same rows.
  6. However `reserve` ends, the order is reserved as a whole or not at all, and no transaction is
     left open on `db`: also if it is cancelled.

Everybody who changes a row of `stock` adds 1 to its version. `db` is what `aiosqlite.connect(path)`
gives, with nothing set to anything special; you are the only one who uses this connection. If two
write at the same moment, SQLite lets one of them wait for the other, up to five seconds.

With `--live`, the tests also run your function on PostgreSQL. There it gets a connection with the
same methods (execute, commit, rollback and the like), so keep to SQL that both understand. (BEGIN
IMMEDIATE keeps others out there, too.)

Out of scope: pauses between the attempts, and an order_id that is there already.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import aiosqlite

Quote = Callable[[Mapping[str, int]], Awaitable[int]]
"""Asks the price service: how many are available of each item -> the price of the order, cents."""


class SoldOut(Exception):
    """There are too few of an item to take as many as an order wants."""


class Conflict(Exception):
    """Somebody else was faster at every attempt."""


async def reserve(
    db: aiosqlite.Connection,
    order_id: str,
    items: Mapping[str, int],
    quote: Quote,
    *,
    attempts: int = 5,
) -> int:
    """Take each item (SKU) so many times (1 or more), or none; the price of the order in cents."""
    raise NotImplementedError
