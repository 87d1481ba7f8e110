"""One slow dependency must not sink the ship.

The shop asks three services: payment, inventory and shipping. It can have so many calls under way,
all in all, and no more. Today payment takes a minute for each. Soon every place is taken by a call
that waits for payment, and nobody can even look what is in stock. A ship has bulkheads: walls
inside the hull, so that a hole floods one compartment and not all of them.

Write `Bulkhead.call`, and add what you need for it. `Limit` and `BulkheadFull` are given.

Rules
  1. `call(name, operation)` awaits `operation()`, and returns what it returns or raises what it
     raises. `limits` has a Limit for every name; KeyError for any other one, at once.
  2. At most `at_once` calls of a name are under way, and at most `total` calls of all names
     together. A call that keeps both begins at once.
  3. Any other one waits, if fewer than `waiting` calls of its name are waiting. Else it is refused
     at once: BulkheadFull is raised, and its operation is never called.
  4. A call that waits holds no place, neither one of its name's nor one of the total. Whenever a
     call ends, one that can begin now does, at once: the one that has waited longest, whatever its
     name. One that cannot begin yet holds up nobody behind it, and who comes later does not get in
     before one that waits and could begin.
  5. A call that has waited for `patience` seconds is refused then. Only the waiting counts: once it
     is under way, it may take as long as it likes.
  6. A call is under way until its operation has ended, with all its clean-up. However it ends, by a
     result, an exception or a cancellation, at whatever moment: no place is lost, and none is
     gained. A call that is cancelled gets its CancelledError; if it had just been given a place,
     that goes to the next one who can begin.

Out of scope: priorities, limits that change, a `patience` of 0, operations that refuse to be
cancelled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class BulkheadFull(Exception):
    """The call was refused: there is no place for it, and nothing was done."""


@dataclass(frozen=True)
class Limit:
    """What one dependency gets: calls under way, calls that may wait, and for how many seconds."""

    at_once: int
    waiting: int
    patience: float


class Bulkhead:
    """Keeps the calls to each dependency within its limit, and all of them within `total`."""

    def __init__(self, limits: Mapping[str, Limit], *, total: int) -> None:
        self.limits = limits
        self.total = total

    async def call(self, name: str, operation: Callable[[], Awaitable[T]]) -> T:
        """What `operation` returns; BulkheadFull if it is not called at all."""
        raise NotImplementedError
