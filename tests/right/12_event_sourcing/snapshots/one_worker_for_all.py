"""One worker puts all snapshots aside, one after another; what is due is in a dict by stream."""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger("shelves")
SCHEMA = 3
PATIENCE = 1.0


class Conflict(Exception):
    pass


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Snapshot:
    version: int
    last_id: str
    schema: int
    state: dict[str, Any]


@dataclass
class Shelf:
    stream: str
    version: int = 0
    last_id: str = ""
    state: dict[str, Any] = field(default_factory=lambda: {"available": 0, "reserved": {}})


def apply(state, event):
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
    def __init__(self, events, snapshots, *, every=100):
        self.events, self.snapshots, self.every = events, snapshots, every
        self.due: dict[str, Snapshot] = {}
        self.worker = None

    async def load(self, stream):
        snapshot = None
        getting = asyncio.ensure_future(self.snapshots.get(stream))
        try:
            done, _ = await asyncio.wait({getting}, timeout=PATIENCE)
            if done and getting.exception() is None:
                snapshot = getting.result()
        finally:
            getting.cancel()
        shelf = Shelf(stream)
        events = None
        if snapshot and snapshot.schema == SCHEMA:
            tail = await self.events.read(stream, snapshot.version - 1)
            if tail and tail[0].id == snapshot.last_id:
                shelf = Shelf(stream, snapshot.version, snapshot.last_id, snapshot.state)
                events = tail[1:]
        if events is None:
            events = await self.events.read(stream)
        for event in events:
            self._one(shelf, event)
        return shelf

    @staticmethod
    def _one(shelf, event):
        apply(shelf.state, event)
        shelf.version, shelf.last_id = shelf.version + 1, event.id

    async def append(self, shelf, events):
        await self.events.append(shelf.stream, events, shelf.version)
        crossed = False
        for event in events:
            self._one(shelf, event)
            crossed |= shelf.version % self.every == 0
        if crossed:
            state = json.loads(json.dumps(shelf.state))
            self.due[shelf.stream] = Snapshot(shelf.version, shelf.last_id, SCHEMA, state)
            if self.worker is None or self.worker.done():
                self.worker = asyncio.create_task(self._work())

    async def _work(self):
        while self.due:
            stream = next(iter(self.due))
            snapshot = self.due.pop(stream)
            try:
                await asyncio.wait_for(self.snapshots.put(stream, snapshot), PATIENCE)
            except Exception:
                log.exception("not put aside: %s", stream)

    async def close(self):
        if self.worker is not None:
            await self.worker
