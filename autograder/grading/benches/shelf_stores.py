"""What the graders of 12/snapshots share: events of shelves, the two stores, and what is true."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterable, Sequence
from typing import Any

from ...simulation import World

LAMPS = "stock-lamp"
NEVER = 3600.0
"""Seconds: longer than anybody should wait."""


def state_after(events: Iterable[Any]) -> dict[str, Any]:
    """What a replay of these events gives."""
    available, reserved = 0, dict[str, int]()
    for event in events:
        order = event.data.get("order_id", "")
        match event.type:
            case "StockReceived":
                available += event.data["quantity"]
            case "StockReserved":
                available -= event.data["quantity"]
                reserved[order] = reserved.get(order, 0) + event.data["quantity"]
            case "StockReleased":
                available += reserved.pop(order, 0)
            case "OrderShipped":
                reserved.pop(order, None)
    return {"available": available, "reserved": reserved}


class Days:
    """Makes what happens to shelves, day by day: each event has an id of its own."""

    def __init__(self, submission: Any, history: str = "e") -> None:
        self._event = submission.Event
        self._history = history
        self.made = 0 if history == "e" else 2  # other histories have other events, not only ids

    def events(self, count: int) -> list[Any]:
        """The next so many events."""
        return [self._next() for _ in range(count)]

    def _next(self) -> Any:
        self.made += 1
        order = f"o-{self.made}"
        kind, data = (
            ("StockReceived", {"quantity": 5}),
            ("StockReserved", {"order_id": order, "quantity": 2}),
            ("StockReserved", {"order_id": order, "quantity": 1}),
            ("StockReleased", {"order_id": f"o-{self.made - 1}"}),
            ("OrderShipped", {"order_id": f"o-{self.made - 3}"}),
        )[(self.made - 1) % 5]
        return self._event(f"{self._history}-{self.made}", kind, data)


class Events:
    """An event store with drawn latencies.

    Attributes:
        streams: the events of each.
        handed_out: how many events each read has given.
    """

    def __init__(self, world: World, submission: Any) -> None:
        self._world = world
        self.conflict = submission.Conflict
        self.streams: dict[str, list[Any]] = {}
        self.handed_out: list[int] = []

    async def read(self, stream: str, after: int = 0) -> Sequence[Any]:
        assert after >= 0, f"read was called with after={after!r}; it is 0 or more"
        await self._world.pause("read: request")
        found = self.streams.get(stream, [])[after:]
        self.handed_out.append(len(found))
        await self._world.pause("read: answer", 0.001 + 0.0001 * len(found), 0.05)
        return found

    async def append(self, stream: str, events: Sequence[Any], expected: int) -> None:
        events = list(events)
        await self._world.pause("append: request")
        recorded = self.streams.setdefault(stream, [])
        there = len(recorded)
        if there == expected:
            recorded += events
            self._world.note(f"{len(events)} events recorded, up to {len(recorded)}")
        await self._world.pause("append: answer")
        if there != expected:
            raise self.conflict(f"{there} events, {expected} expected")


class Snapshots:
    """A store of snapshots that can be slow, broken or silent.

    Attributes:
        kept: the newest snapshot of each stream.
        puts: every snapshot that was put aside, as it was when it was turned into bytes.
        begun: the version of every snapshot of which a put has begun, as it was at that moment.
        get_takes, put_takes: seconds.
        error: what each call raises, if anything.
        most_at_once: the most puts that were under way for one stream.
    """

    def __init__(self, world: World, submission: Any) -> None:
        self._world = world
        self.snapshot = submission.Snapshot
        self.kept: dict[str, Any] = {}
        self.puts: list[Any] = []
        self.begun: list[int] = []
        self.get_takes = self.put_takes = 0.01
        self.error: Exception | None = None
        self.under_way: dict[str, int] = {}
        self.most_at_once = 0

    async def get(self, stream: str) -> Any:
        await asyncio.sleep(self.get_takes)
        if self.error is not None:
            raise self.error
        return copy.deepcopy(self.kept.get(stream))

    async def put(self, stream: str, snapshot: Any) -> None:
        assert isinstance(snapshot, self.snapshot), f"put was given {snapshot!r}"
        self.begun.append(snapshot.version)
        self._world.note(f"a snapshot of version {snapshot.version} is being put aside")
        under_way = self.under_way[stream] = self.under_way.get(stream, 0) + 1
        self.most_at_once = max(self.most_at_once, under_way)
        try:
            await asyncio.sleep(self.put_takes)
            if self.error is not None:
                raise self.error
            self._take(stream, snapshot)
        finally:
            self.under_way[stream] -= 1

    def _take(self, stream: str, snapshot: Any) -> None:
        state = json.loads(json.dumps(snapshot.state))
        taken = self.snapshot(snapshot.version, snapshot.last_id, snapshot.schema, state)
        self.kept[stream] = taken
        self.puts.append(taken)
        self._world.note(f"the snapshot of version {snapshot.version} is there")


class EventsElsewhere:
    """The same event store, as another process has it: with that one's classes."""

    def __init__(self, events: Events, submission: Any) -> None:
        self._events = events
        self._event, self._conflict = submission.Event, submission.Conflict

    async def read(self, stream: str, after: int = 0) -> Sequence[Any]:
        found = await self._events.read(stream, after)
        return [self._event(event.id, event.type, event.data) for event in found]

    async def append(self, stream: str, events: Sequence[Any], expected: int) -> None:
        try:
            await self._events.append(stream, events, expected)
        except self._events.conflict as conflict:
            raise self._conflict(*conflict.args) from None


class SnapshotsElsewhere:
    """The same store of snapshots, as another process has it."""

    def __init__(self, snapshots: Snapshots, submission: Any) -> None:
        self._snapshots = snapshots
        self._kind = submission.Snapshot

    async def get(self, stream: str) -> Any:
        return _as_a(self._kind, await self._snapshots.get(stream))

    async def put(self, stream: str, snapshot: Any) -> None:
        assert isinstance(snapshot, self._kind), f"put was given {snapshot!r}"
        await self._snapshots.put(stream, _as_a(self._snapshots.snapshot, snapshot))


def _as_a(kind: Any, snapshot: Any) -> Any:
    """The same snapshot, of another process' class; the state in it is the same object."""
    if snapshot is None:
        return None
    return kind(snapshot.version, snapshot.last_id, snapshot.schema, snapshot.state)


class Shop:
    """Both stores, and shelves to load from them."""

    def __init__(self, world: World, submission: Any, **options: Any) -> None:
        self.world = world
        self.submission = submission
        self.days = Days(submission)
        self.events = Events(world, submission)
        self.snapshots = Snapshots(world, submission)
        self.shelves = submission.Shelves(self.events, self.snapshots, **options)

    def elsewhere(self, **options: Any) -> Any:
        """The shelves of another process, which shares nothing with this one but the stores."""
        self.submission.restart()
        events = EventsElsewhere(self.events, self.submission)
        snapshots = SnapshotsElsewhere(self.snapshots, self.submission)
        return self.submission.Shelves(events, snapshots, **options)

    def happened(self, count: int) -> list[Any]:
        """So many events are in the stream, before the test begins."""
        history = self.events.streams[LAMPS] = self.days.events(count)
        return history

    def snapshot_of(
        self, history: Sequence[Any], schema: int | None = None, state: Any = None
    ) -> Any:
        """A snapshot that was made after these events."""
        return self.submission.Snapshot(
            len(history),
            history[-1].id,
            self.submission.SCHEMA if schema is None else schema,
            state_after(history) if state is None else state,
        )

    async def load(self) -> Any:
        """The shelf of the lamps."""
        shelf = await self.shelves.load(LAMPS)
        assert isinstance(shelf, self.submission.Shelf), f"load gave {shelf!r}; expected a Shelf"
        return shelf

    def assert_true(self, shelf: Any, history: Sequence[Any]) -> None:
        """The shelf is as a replay of all of its history makes it."""
        last_id = history[-1].id if history else ""
        for name, expected in (
            ("version", len(history)),
            ("last_id", last_id),
            ("state", state_after(history)),
        ):
            got = getattr(shelf, name)
            assert got == expected, (
                f"after {len(history)} events, {name} is {got!r}; "
                f"a replay of all gives {expected!r}"
            )
