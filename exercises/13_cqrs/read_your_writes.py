"""Let customers see what they have written, on read models that are behind.

ada places an order, her browser shows her list of orders, and the order is not on it: the read
model is a moment behind. She looks again, and there it is; and once more, and it is gone: there are
several replicas of the model, each as far as its projector has come, and the load balancer sends
every query to another one.

A command tells the position in the log of what it has written. So a query can say how far the model
has to be to answer it, and wait for that. Write `ReadModel`, one replica, and `Session`, which
remembers for one customer how far that is. `Answer` and `TooFarBehind` are given; leave them as
they are. A replica is a database of SQLite, with

    CREATE TABLE orders (order_id TEXT PRIMARY KEY, status TEXT NOT NULL)
    CREATE TABLE checkpoint (position INTEGER NOT NULL)         -- one row

A projector, not yours, commits rows and checkpoint in one transaction, and then calls `moved` with
the new position. Positions skip numbers.

ReadModel
  1. `status(order_id)` answers at once with what there is. The answer's position is the one that
     its status is of: what the checkpoint was when the status was read, not earlier, not later.
  2. `status(order_id, at_least=42)` answers as soon as the model has position 42 or a later one,
     with nothing older. A new ReadModel may have a database that is that far already.
  3. It waits no longer than `within` seconds. Then it raises TooFarBehind, with the position that
     was wanted, and the one that the model has.
  4. Who waits is woken by `moved`, in that moment. Nobody asks again and again, and a `moved` wakes
     nobody whose position is further. It returns whatever has become of those who wait. A position
     that is no later than one before it changes nothing.
  5. If `status` is cancelled, it ends as cancelled. However it ends, nothing of it is left.
     `waiting` tells how many wait at the moment.

Session
  6. `wrote(position)`: a command of this customer has written that. Commands run side by side: an
     earlier position may be told after a later one.
  7. `status(model, order_id)` asks this replica for an answer that is no older than anything this
     session has written or seen before: `position` says how far that is. What it answers has been
     seen from then on. A session that has written and seen nothing gets its answer at once.
  8. TooFarBehind goes to the caller, and changes nothing; the session may be asked again, with
     another replica.

`db` is an open connection, for reading, which all queries of a replica share; leave it open, and
leave its settings as they are. Many queries run at once.

Out of scope: databases that fail; sessions of one customer in several processes.
"""

from __future__ import annotations

from dataclasses import dataclass

import aiosqlite


@dataclass(frozen=True)
class Answer:
    """An order's status, None if there is no such order, and the position at which it is so."""

    status: str | None
    position: int


class TooFarBehind(Exception):
    """The model has not come as far as a query wants it, and its time is up."""

    def __init__(self, wanted: int, reached: int) -> None:
        super().__init__(f"position {wanted} is wanted, and the model is at {reached}")
        self.wanted = wanted
        self.reached = reached


class ReadModel:
    """One replica of the read model, asked by many."""

    def __init__(self, db: aiosqlite.Connection) -> None:
        raise NotImplementedError

    @property
    def waiting(self) -> int:
        """How many queries wait for the model to get further."""
        raise NotImplementedError

    def moved(self, position: int) -> None:
        """The projector has committed everything up to this position."""
        raise NotImplementedError

    async def status(self, order_id: str, *, at_least: int = 0, within: float = 1.0) -> Answer:
        """The order's status, at this position or later; `within` in seconds.

        Raises TooFarBehind.
        """
        raise NotImplementedError


class Session:
    """What one customer has written and seen. `position` fits into a cookie."""

    def __init__(self, position: int = 0) -> None:
        raise NotImplementedError

    @property
    def position(self) -> int:
        """How far a model has to be for this customer."""
        raise NotImplementedError

    def wrote(self, position: int) -> None:
        """A command of this customer has written the event at this position."""
        raise NotImplementedError

    async def status(self, model: ReadModel, order_id: str, *, within: float = 1.0) -> Answer:
        """The order's status, as this replica has it. Raises TooFarBehind."""
        raise NotImplementedError
