"""Services and channels: how parts of a test talk to each other across a simulated distance."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from .dice import heavy_tailed
from .words import shown

if TYPE_CHECKING:
    from .world import Latency, World


def service(
    world: World,
    function: Callable[..., Any],
    name: str | None,
    latency: Latency,
    fails: float,
    error: type[Exception],
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """See `World.service`."""
    called: str = name or getattr(function, "__name__", None) or "service"

    async def call(*args: Any, **kwargs: Any) -> Any:
        said = f"{called}({', '.join(map(shown, args))})" if world.tracing else ""
        world.record("send", said)
        lost = bool(fails) and world.chance(fails, f"{called} fails")
        await asyncio.sleep(heavy_tailed(world.draw(f"{called} request"), *latency))
        if lost:
            world.record("fault", f"{called} could not be reached")
            raise error(f"{called} could not be reached")
        result = function(*args, **kwargs)
        if inspect.isawaitable(result):
            result = await result
        await asyncio.sleep(heavy_tailed(world.draw(f"{called} answer"), *latency))
        world.record("deliver", f"{said} -> {shown(result)}" if said else "")
        return result

    call.__name__ = call.__qualname__ = called
    return call


class Closed(Exception):
    """The channel was closed and everything that arrived has been received."""


class Channel:
    """Messages from any sender to any receiver, each after a latency of its own.

    Without ``reorder`` messages arrive in the order they were sent. ``sent``, ``delivered`` and
    ``lost`` count messages.
    """

    def __init__(
        self,
        world: World,
        name: str,
        latency: Latency,
        drop: float,
        duplicate: float,
        reorder: bool,
    ) -> None:
        self.name = name
        self.sent = self.delivered = self.lost = 0
        self._world = world
        self._latency = latency
        self._drop = drop
        self._duplicate = duplicate
        self._reorder = reorder
        self._arrived: deque[Any] = deque()
        self._receivers: deque[asyncio.Future[None]] = deque()
        self._last_arrival = 0.0
        self._under_way = 0
        self._closed = False

    def send(self, message: Any) -> None:
        """Send a message; returns at once."""
        if self._closed:
            raise Closed(f"channel {self.name} is closed")
        world, name = self._world, self.name
        self.sent += 1
        key = f"{name} {self.sent}"
        world.record("send", f"{name}: {shown(message)}" if world.tracing else "", key=key)
        if self._drop and world.chance(self._drop, f"{name} drop"):
            self.lost += 1
            world.record("drop", f"{name}: {shown(message)}", key=key)
            return
        self._deliver_later(message, key)
        if self._duplicate and world.chance(self._duplicate, f"{name} duplicate"):
            world.record("fault", f"{name} doubles {shown(message)}")
            self._deliver_later(message, key)

    def _deliver_later(self, message: Any, key: str) -> None:
        loop = self._world.loop
        due = loop.now + self._world.latency(f"{self.name} trip", *self._latency)
        if not self._reorder:
            due = self._last_arrival = max(due, self._last_arrival)
        self._under_way += 1
        loop.call_when(due, self._arrive, message, key)

    def _arrive(self, message: Any, key: str) -> None:
        self._under_way -= 1
        self.delivered += 1
        if self._world.tracing:
            self._world.record("deliver", f"{self.name}: {shown(message)}", lane="", key=key)
        self._arrived.append(message)
        self._wake_one()

    def _wake_one(self) -> None:
        while self._receivers:
            receiver = self._receivers.popleft()
            if not receiver.done():
                receiver.set_result(None)
                return

    async def receive(self) -> Any:
        """The next message to arrive; raises `Closed` when no more can come."""
        while not self._arrived:
            if self._closed and not self._under_way:
                raise Closed(f"channel {self.name} is closed")
            receiver = self._world.loop.create_future()
            self._receivers.append(receiver)
            try:
                await receiver
            except asyncio.CancelledError:
                if receiver.done() and not receiver.cancelled():
                    self._wake_one()
                raise
        return self._arrived.popleft()

    def close(self) -> None:
        """No more messages are sent; those under way still arrive."""
        self._closed = True
        self._world.loop.call_when(
            max(self._last_arrival, self._world.loop.now + self._latency[1]), self._wake_all
        )

    def _wake_all(self) -> None:
        for _ in range(len(self._receivers)):
            self._wake_one()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            try:
                message = await self.receive()
            except Closed:
                return
            yield message
