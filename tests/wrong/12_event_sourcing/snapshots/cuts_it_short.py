"""Cancels what is under way when it is closed. At each deploy the snapshots of that moment are
lost.

mistake: drops-in-flight
fails: test_close_waits_for_what_has_begun, test_a_snapshot_is_of_one_moment,
    test_one_put_at_a_time, test_close_waits_for_each_of_them
"""

from __future__ import annotations

import asyncio
import copy
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
        snapshot = await self._snapshot(stream)
        if snapshot is not None and snapshot.schema == SCHEMA:
            # Its own last event is read again: if that is another one, or is not there, the
            # snapshot is of events that are not this stream's history.
            found = await self._events.read(stream, after=snapshot.version - 1)
            if found and found[0].id == snapshot.last_id:
                shelf = Shelf(stream, snapshot.version, snapshot.last_id, snapshot.state)
                return _moved_on(shelf, found[1:])
        return _moved_on(Shelf(stream), await self._events.read(stream))

    async def append(self, shelf: Shelf, events: Sequence[Event]) -> None:
        """Record one or more events, and move the shelf on.

        Raises:
            Conflict: somebody else has appended since the shelf was loaded.
        """
        before = shelf.version
        await self._events.append(shelf.stream, events, expected=before)
        _moved_on(shelf, events)
        if shelf.version // self._every > before // self._every:  # reached, or jumped over
            self._put_aside(shelf)

    async def close(self) -> None:
        """Wait until no snapshot is being put aside any more."""
        puts = list(self._puts.values())
        for task in puts:
            task.cancel()
        await asyncio.gather(*puts, return_exceptions=True)

    async def _snapshot(self, stream: str) -> Snapshot | None:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._snapshots.get(stream)
        except Exception as error:  # whatever it is: it is only a cache
            logger.warning("no snapshot of %s: %r", stream, error)
            return None

    def _put_aside(self, shelf: Shelf) -> None:
        if shelf.stream in self._puts:
            return
        # Copied now, and to the bottom: the shelf is moved on while the put is under way.
        state = copy.deepcopy(shelf.state)
        snapshot = Snapshot(shelf.version, shelf.last_id, SCHEMA, state)
        task = asyncio.create_task(self._put(shelf.stream, snapshot))
        self._puts[shelf.stream] = task
        task.add_done_callback(lambda _: self._puts.pop(shelf.stream))

    async def _put(self, stream: str, snapshot: Snapshot) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._snapshots.put(stream, snapshot)
        except Exception as error:
            logger.warning("%s was not put aside: %r", stream, error)


def _moved_on(shelf: Shelf, events: Sequence[Event]) -> Shelf:
    """The shelf, with further events applied to it."""
    for event in events:
        apply(shelf.state, event)
    if events:
        shelf.version += len(events)
        shelf.last_id = events[-1].id
    return shelf
