"""A store of events in memory, in which somebody else may be faster; and the world that is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from ...simulation import World
from .order_desk import ORDER, in_short


class Store:
    """Has ``load`` and ``append`` as the brief says, with drawn latencies, and a record of calls.

    Attributes:
        events: what has been recorded, oldest first.
        calls: "load" and "append", in order.
        rivals: each is called once, with the number of events that there are, and returns what
            somebody else records at that moment: ``after_load`` right after a load has looked,
            ``before_append`` right before an append looks.
    """

    def __init__(self, world: World, conflict: type[Exception], history: Sequence[Any]) -> None:
        self._world = world
        self._conflict = conflict
        self.events = list(history)
        self.calls: list[str] = []
        self.after_load: list[Callable[[], Sequence[Any]]] = []
        self.before_append: list[Callable[[], Sequence[Any]]] = []

    def restart(
        self, conflict: type[Exception], read: Callable[[Sequence[Any]], list[Any]]
    ) -> None:
        """Another process uses it now, which reads events as it knows them."""
        self._conflict = conflict
        self.events = read(self.events)

    async def load(self, order_id: str) -> Sequence[Any]:
        self.calls.append("load")
        await self._world.pause("load: request")
        found = list(self.events) if order_id == ORDER else []
        self._let_in(self.after_load)
        await self._world.pause("load: answer")
        return found

    async def append(self, order_id: str, events: Sequence[Any], expected: int) -> None:
        events = list(events)
        self.calls.append("append")
        assert order_id == ORDER, f"append was called for {order_id!r}; the order is {ORDER!r}"
        assert events, "append was called without any events"
        await self._world.pause("append: request")
        self._let_in(self.before_append)
        there = len(self.events)
        if there == expected:
            self.events += events
        what = ", ".join(map(in_short, events))
        self._world.note(f"{what}: {'recorded' if there == expected else 'Conflict'}")
        await self._world.pause("append: answer")
        if there != expected:
            raise self._conflict(f"{there} events, expected {expected}")

    def _let_in(self, rivals: list[Callable[[], Sequence[Any]]]) -> None:
        if rivals:
            events = rivals.pop(0)()
            self.events += events
            self._world.note(f"somebody else records {', '.join(map(in_short, events))}")


class Mail:
    """Is told of events, and notes what was true at that moment.

    Attributes:
        told: each event, in the order in which they were told.
        too_early: those that were not recorded when they were told.
        under_way: how many are being told now; at_once: how many that have been at most.
    """

    def __init__(self, world: World, store: Store) -> None:
        self._world = world
        self._store = store
        self.told: list[Any] = []
        self.too_early: list[Any] = []
        self.under_way = self.at_once = 0

    async def __call__(self, event: Any) -> None:
        self.told.append(event)
        if event not in self._store.events:
            self.too_early.append(event)
        self._world.note(f"the customer is told of {in_short(event)}")
        self.under_way += 1
        self.at_once = max(self.at_once, self.under_way)
        try:
            await asyncio.sleep(self._world.latency("mail"))
        finally:
            self.under_way -= 1
