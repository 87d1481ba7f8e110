"""Load a shelf without replaying all that ever happened to it.

An order has a dozen events. The shelf of the lamps has a hundred thousand, and every sale would
replay them. So now and then its state is put aside, as a snapshot, and next time only the events
since then are replayed. A snapshot is a cache and nothing else: it may be old, of another history,
gone, or out of reach, and whatever is the matter with it, the shop goes on selling.

Write `Shelves`. All the rest is given; leave it as it is. `apply` changes the state that it gets,
since a hundred thousand copies would take too long.

Rules
  1. What `load` gives is what a replay of the whole stream would give, whatever the snapshot store
     holds, and whatever it does.
  2. A snapshot counts if its schema is SCHEMA and it is of this history: the event of its version
     is still the one with its `last_id`. (The database may have been restored from a backup, and
     gone on in another way.) If it counts, `load` reads the events since then, and that one, and no
     more. If it does not, it is as if there were none.
  3. The snapshot store may raise anything, and it may not answer at all. `load` waits for it for
     PATIENCE seconds at most, and goes on without it.
  4. `append` records events, and then moves the shelf on: state, version and last_id are those
     after the last of them. If it raises, also if it is cancelled, the shelf is as it was.
     (Conflict goes through.)
  5. If an append reaches a multiple of `every`, or jumps over one, a snapshot of the shelf as it is
     after this append is put aside. There are no others.
  6. Whoever sells is not concerned: `append` neither waits for a snapshot nor fails because of one.
     A put that raises is logged, or forgotten. One that takes longer than PATIENCE is given up.
  7. Of each stream there is at most one put under way. A snapshot that falls due meanwhile may be
     left out.
  8. `close` returns when no put is under way any more; none that has begun is cut short by it.

A shelf is used by one task at a time. There may be other processes with the same stores, and any
of them may be killed at any moment. Out of scope: events that make no sense, an event store that
fails, appends after `close`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

SCHEMA = 3
"""Of the states that this program makes. It is another number whenever they are changed."""
PATIENCE = 1.0
"""Seconds that anything waits for the snapshot store."""

State = dict[str, Any]
"""{"available": 7, "reserved": {"o-17": 2}}: how many lamps, and how many are kept for whom."""


class Conflict(Exception):
    """The stream does not end where the caller thought it did."""


@dataclass(frozen=True)
class Event:
    """What happened to a shelf: StockReceived(quantity), StockReserved(order_id, quantity),
    StockReleased(order_id), OrderShipped(order_id). `id` is a UUID."""

    id: str
    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """The state after the first `version` events of a stream; the last of these is `last_id`."""

    version: int
    last_id: str
    schema: int
    state: State


@dataclass
class Shelf:
    """A stream, loaded: how many events it has, the id of the last one, and the state after it."""

    stream: str
    version: int = 0
    last_id: str = ""
    state: State = field(default_factory=lambda: {"available": 0, "reserved": {}})


class EventStore(Protocol):
    async def read(self, stream: str, after: int = 0) -> Sequence[Event]:
        """The events of a stream, oldest first, without the first `after` of them."""

    async def append(self, stream: str, events: Sequence[Event], expected: int) -> None:
        """Record all events, or none. Conflict if the stream has not got `expected` events now."""


class SnapshotStore(Protocol):
    """The newest snapshot of each stream, in the memory of another machine."""

    async def get(self, stream: str) -> Snapshot | None:
        """The snapshot of a stream, if there is one."""

    async def put(self, stream: str, snapshot: Snapshot) -> None:
        """Replace the snapshot of a stream. It is turned into bytes when its turn has come."""


def apply(state: State, event: Event) -> None:
    """Change a state into the one after an event."""
    data, reserved = event.data, state["reserved"]
    match event.type:
        case "StockReceived":
            state["available"] += data["quantity"]
        case "StockReserved":
            state["available"] -= data["quantity"]
            reserved[data["order_id"]] = reserved.get(data["order_id"], 0) + data["quantity"]
        case "StockReleased":
            state["available"] += reserved.pop(data["order_id"], 0)
        case "OrderShipped":
            reserved.pop(data["order_id"], None)


class Shelves:
    """Shelves, loaded and moved on."""

    def __init__(self, events: EventStore, snapshots: SnapshotStore, *, every: int = 100) -> None:
        """`every` so many events a snapshot is taken; 1 or more."""
        raise NotImplementedError

    async def load(self, stream: str) -> Shelf:
        """The shelf as it is now. Of a stream without events: `Shelf(stream)`."""
        raise NotImplementedError

    async def append(self, shelf: Shelf, events: Sequence[Event]) -> None:
        """Record one or more events, and move the shelf on.

        Raises:
            Conflict: somebody else has appended since the shelf was loaded.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Wait until no snapshot is being put aside any more."""
        raise NotImplementedError
