"""The shelf gets a new state at each append, made from a copy, so that no snapshot is ever
changed; the question to the cache is a task that is cancelled if it takes too long; callbacks
look after the puts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

SCHEMA = 3
"""Of the states that this program makes. It is another number whenever they are changed."""
PATIENCE = 1.0
"""Seconds that anything waits for the snapshot store."""

State = dict[str, Any]
"""{"available": 7, "reserved": {"o-17": 2}}: how many lamps, and how many are kept for whom."""


logger = logging.getLogger(__name__)


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
        self._events = events
        self._snapshots = snapshots
        self._every = every
        self._puts: dict[str, asyncio.Task[None]] = {}

    async def load(self, stream: str) -> Shelf:
        """The shelf as it is now. Of a stream without events: `Shelf(stream)`."""
        asking = asyncio.ensure_future(self._snapshots.get(stream))
        try:
            await asyncio.wait([asking], timeout=PATIENCE)
        finally:
            asking.cancel()
        found = None
        if asking.done() and not asking.cancelled() and not asking.exception():
            found = asking.result()
        if found and found.schema == SCHEMA and found.version > 0:
            events = await self._events.read(stream, found.version - 1)
            if [event.id for event in events[:1]] == [found.last_id]:
                version, last = found.version + len(events) - 1, events[-1].id
                return Shelf(stream, version, last, after(found.state, events[1:]))
        events = await self._events.read(stream, 0)
        if not events:
            return Shelf(stream)
        state = after({"available": 0, "reserved": {}}, events)
        return Shelf(stream, len(events), events[-1].id, state)

    async def append(self, shelf: Shelf, events: Sequence[Event]) -> None:
        """Record one or more events, and move the shelf on.

        Raises:
            Conflict: somebody else has appended since the shelf was loaded.
        """
        await self._events.append(shelf.stream, events, shelf.version)
        due = any((shelf.version + n) % self._every == 0 for n in range(1, len(events) + 1))
        shelf.state = after(shelf.state, events)
        shelf.version, shelf.last_id = shelf.version + len(events), events[-1].id
        if due and shelf.stream not in self._puts:
            snapshot = Snapshot(shelf.version, shelf.last_id, SCHEMA, shelf.state)
            put = asyncio.ensure_future(self._snapshots.put(shelf.stream, snapshot))
            self._puts[shelf.stream] = put
            bell = asyncio.get_running_loop().call_later(PATIENCE, put.cancel)
            put.add_done_callback(lambda put: self._over(shelf.stream, put, bell))

    def _over(self, stream, put, bell):
        bell.cancel()
        del self._puts[stream]
        if not put.cancelled() and put.exception():
            logger.warning("%s", put.exception())

    async def close(self) -> None:
        """Wait until no snapshot is being put aside any more."""
        await asyncio.gather(*self._puts.values(), return_exceptions=True)


def after(state, events):
    state = {**state, "reserved": dict(state["reserved"])}
    for event in events:
        apply(state, event)
    return state
