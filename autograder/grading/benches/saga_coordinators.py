"""Coordinators of sagas, which are killed and started again, for graders."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .saga_verdicts import Judge
from .shop_agents import Agents
from .shop_calls import Calls

if TYPE_CHECKING:
    from autograder.simulation import World

TEN_MINUTES = 600.0
"""Seconds within which an order ends while a coordinator is running and the agents answer."""
PRICES = {"lamp": 1200, "desk": 8000, "chair": 3500}


def make_order(number: int, customer: str = "ada", **items: int) -> dict[str, Any]:
    """Order "o-1" if the number is 1: one lamp, unless something else is said."""
    wanted = items or {"lamp": 1}
    total = sum(PRICES[sku] * quantity for sku, quantity in wanted.items())
    return {"order_id": f"o-{number}", "customer": customer, "items": wanted, "total": total}


class Scene:
    """A log, the agents, and whoever coordinates them.

    ``options`` are those of `Agents` and of `Calls`.
    """

    def __init__(
        self, world: World, submission: ModuleType, database: Path, **options: Any
    ) -> None:
        self.world = world
        self.database = database
        network = {name: options.pop(name) for name in ("fate", "stormy") if name in options}
        self.agents = Agents(world, **options)
        self.calls = Calls(world, self.agents, **network)
        self.judge = Judge(self.agents, self.calls, self._log_bytes)
        self._submission = submission
        self._running: dict[str, asyncio.Task[Any]] = {}
        world.at_end(self._stop_all)

    # -- coordinators -----------------------------------------------------------------------------

    def coordinate(self) -> Coroutine[Any, Any, Any]:
        """The learner's coordinator, not yet started."""
        coroutine: Coroutine[Any, Any, Any] = self._submission.coordinate(
            self.database, self.calls.call
        )
        return coroutine

    def start(self, host: str = "coordinator") -> asyncio.Task[Any]:
        """Start a coordinator on a host of its own."""
        with self.world.network.at(host):
            task = asyncio.create_task(self.coordinate(), name=host)
        self._running[host] = task
        return task

    def kill(self, host: str = "coordinator") -> None:
        """Kill it, from one line to the next."""
        self.check()
        self.world.happens(host, "is killed")
        self.judge.last_kill = self.world.time()
        self._running.pop(host)
        self.world.kill(host)

    def check(self) -> None:
        """Nobody has misused an agent, and coordinators that were not killed are running."""
        assert not self.calls.misuse, self.calls.misuse[0]
        for task in self._running.values():
            if task.done():
                task.result()
                raise AssertionError("coordinate has returned, and nobody had cancelled it")

    async def stop(self) -> None:
        """Cancel all coordinators, and wait until they have ended."""
        self.check()
        tasks = list(self._running.values())
        await self._stop_all()
        left = sum(1 for task in tasks if not task.done())
        assert not left, "coordinate was cancelled, and a minute later it has not ended"

    def _log_bytes(self) -> bytes:
        files = (self.database, self.database.with_name(f"{self.database.name}-wal"))
        return b"".join(file.read_bytes() for file in files if file.exists())

    async def _stop_all(self) -> None:
        tasks = list(self._running.values())
        self._running.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=60)

    async def kill_at_this_await(self, until: Callable[[], object]) -> bool:
        """Start a coordinator and kill it at this world's await; True if that await came before
        `until` had been true for half a second, else it is cancelled then."""
        running = asyncio.create_task(self.world.killed(self.coordinate(), "coordinator"))
        watching = asyncio.create_task(self.true_for_a_while(until))
        await asyncio.wait([running, watching], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            watching.cancel()
            assert running.result().fired, "coordinate has returned, and nobody had cancelled it"
            self.world.happens("coordinator", "is killed")
            self.judge.last_kill = self.world.time()
            return True
        running.cancel()
        await asyncio.wait([running], timeout=60)
        return False

    async def true_for_a_while(self, until: Callable[[], object]) -> None:
        """Wait until something is true, at most ten minutes, and half a second more."""
        for _ in range(6000):
            if until():
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)

    # -- the web server ---------------------------------------------------------------------------

    async def place(self, *orders: dict[str, Any]) -> None:
        """Place orders, one after another."""
        for order in orders:
            self.calls.orders[order["order_id"]] = dict(order)
            self.judge.placed.setdefault(order["order_id"], self.world.time())
            self.world.happens("web", f"places {order['order_id']}")
            with self.world.network.at("web"):
                await self._submission.place_order(self.database, dict(order))

    async def cancel(self, order_id: str) -> bool:
        """Cancel an order; what was said. It cannot be too late before the payment is known."""
        asked = self.world.time()
        before, _ = self.judge.promised.get(order_id, (False, 0.0))
        if not before:
            self.judge.promised[order_id] = None, asked
        with self.world.network.at("web"):
            said: object = await self._submission.cancel_order(self.database, order_id)
        assert isinstance(said, bool), f"cancel_order returned {said!r}; True or False was expected"
        self.world.happens("web", f"cancel_order {order_id}: {said}")
        if not before:
            self.judge.promised[order_id] = said, asked
        self.judge.assert_too_late_if(not said, order_id)
        return said

    async def status(self, order_id: str) -> str:
        """What the submission says about an order."""
        with self.world.network.at("web"):
            said: object = await self._submission.status(self.database, order_id)
        words = ("running", "delivered", "cancelled")
        assert said in words, f"status returned {said!r}; one of {words} was expected"
        return str(said)

    async def until_ended(self, *order_ids: str, within: float = TEN_MINUTES) -> None:
        """Wait until orders have ended by their status; if one has not in time, say why."""
        deadline = self.world.time() + within
        waiting = list(order_ids or self.calls.orders)
        pause = 0.5
        while True:
            self.check()
            waiting = [o for o in waiting if await self.status(o) == "running"]
            if not waiting:
                return
            if self.world.time() >= deadline:
                self.judge.assert_ended(waiting[0], within)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 20)

    async def until_sent(self, order_id: str, command: str) -> None:
        """Wait until a command has been sent to its agent, ten minutes at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TEN_MINUTES):
                while not self.calls.of(order_id, command):
                    await self.calls.next()

    async def expect(self, *order_ids: str, end: str = "") -> None:
        """Orders have ended, as `end` says if it does: status and effects agree, nothing else is
        wrong."""
        self.check()
        for order_id in order_ids or list(self.calls.orders):
            self.judge.assert_right(order_id, await self.status(order_id), end)


def scenes(folder: Path) -> Callable[..., Scene]:
    """What makes scenes: each has a log of its own, an empty file in WAL mode."""
    template = folder / "template.db"
    with closing(sqlite3.connect(template)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    numbers: Iterator[int] = iter(range(10**6))

    def make(world: World, submission: ModuleType, **options: Any) -> Scene:
        database = folder / f"{next(numbers)}.db"
        shutil.copyfile(template, database)
        return Scene(world, submission, database, **options)

    return make
