"""Coordinators of sagas, which are killed and started again, for graders."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ..mistakes import mistake
from .database_files import commits, empty_database, files_of, watch
from .saga_verdicts import Judge
from .shop_agents import Agents
from .shop_calls import Calls

if TYPE_CHECKING:
    from autograder.simulation import World
    from autograder.simulation.faults import Interrupted

TEN_MINUTES = 600.0
"""Seconds within which an order ends while a coordinator is running and the agents answer."""
_SILENCE = 60.0
"""Seconds after which nobody wants to see any more how nothing happens."""
PRICES = {"lamp": 1200, "desk": 8000, "chair": 3500}


def make_order(number: int, customer: str = "ada", **items: int) -> dict[str, Any]:
    """Order "o-1" if the number is 1: one lamp, unless something else is said."""
    wanted = items or {"lamp": 1}
    total = sum(PRICES[sku] * quantity for sku, quantity in wanted.items())
    return {"order_id": f"o-{number}", "customer": customer, "items": wanted, "total": total}


class Scene:
    """A log, the agents, and whoever coordinates them: the learner's file is executed once more for
    each coordinator, so that processes share no more than they do in life.

    Args:
        options: those of `Agents` and of `Calls`.
    """

    def __init__(
        self,
        world: World,
        submission: Any,
        database: Path,
        **options: Any,
    ) -> None:
        self.world = world
        self.database = database
        self._eyes = watch(database)
        network = {k: options.pop(k) for k in ("fate", "stormy", "trip") if k in options}
        self.agents = Agents(world, **options)
        self.calls = Calls(world, self.agents, **network)
        self.judge = Judge(self.agents, self.calls, self._log_bytes)
        self._submission = submission
        self._web = _functions(submission)
        self._running: dict[str, asyncio.Task[Any]] = {}
        world.at_end(self._end)

    # -- coordinators -----------------------------------------------------------------------------

    def coordinate(self) -> Coroutine[Any, Any, Any]:
        """The learner's coordinator, not yet started."""
        coroutine: Coroutine[Any, Any, Any] = self._submission.restart().coordinate(
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

    def outside(self) -> object:
        """What is there when a coordinator is dead (see `World.killed`)."""
        return commits(self._eyes), self.calls.so_far()

    def _log_bytes(self) -> bytes:
        return b"".join(file.read_bytes() for file in files_of(self.database)[:2] if file.exists())

    async def _end(self) -> None:
        await self._stop_all()
        self._eyes.close()
        for file in files_of(self.database):
            with contextlib.suppress(OSError):
                file.unlink()

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
        killing = self.world.killed(self.coordinate(), "coordinator", outside=self.outside)
        if not await self._is_over_before(killing, until):
            return False
        self.world.happens("coordinator", "is killed")
        self.judge.last_kill = self.world.time()
        return True

    async def freeze_at_this_await(
        self, until: Callable[[], object], meanwhile: Callable[[], Coroutine[Any, Any, Any]]
    ) -> None:
        """As before, but it only stands still until ``meanwhile()`` has ended. When it has gone
        on for ten seconds, which is enough for all steps of an order, it is cancelled."""
        standing, went_on = False, False

        async def while_it_stands_still() -> None:
            nonlocal standing, went_on
            standing = True
            self.world.happens("coordinator", "stands still")
            self.judge.stood_still.add("coordinator")
            await meanwhile()
            self.world.happens("coordinator", "goes on")
            went_on = True

        freezing = self.world.frozen(self.coordinate(), "coordinator", while_it_stands_still)
        await self._is_over_before(
            freezing,
            lambda: went_on or (until() and not standing),
            lambda: 10.0 if went_on else 0.5,
        )

    async def _is_over_before(
        self,
        coroutine: Coroutine[Any, Any, Interrupted],
        until: Callable[[], object],
        seconds: Callable[[], float] = lambda: 0.5,
    ) -> bool:
        """Whether a coordinator was killed before something had been true for so many seconds; if
        not, it is cancelled."""
        running = asyncio.create_task(coroutine)
        for _ in range(round(TEN_MINUTES / 0.1)):
            if running.done() or until():
                break
            await asyncio.wait([running], timeout=0.1)
        await asyncio.wait([running], timeout=seconds())
        if running.done():
            assert running.result().fired, "coordinate has returned, and nobody had cancelled it"
            return True
        running.cancel()
        await asyncio.wait([running], timeout=60)
        self.world.kill("coordinator")  # its process has ended, and with it every lock that it had
        return False

    # -- the web server ---------------------------------------------------------------------------

    async def place(self, *orders: dict[str, Any]) -> None:
        """Place orders, one after another."""
        for order in orders:
            self.calls.orders[order["order_id"]] = dict(order)
            self.judge.placed.setdefault(order["order_id"], self.world.time())
            self.world.happens("web", f"places {order['order_id']}")
            with self.world.network.at("web"):
                await self._web.place_order(self.database, dict(order))

    async def cancel(self, order_id: str) -> bool:
        """Cancel an order; what was said. It cannot be too late before the payment is known."""
        asked = self.world.time()
        before, since = self.judge.promised.get(order_id, (False, asked))
        if before is None:
            asked = since  # it was killed, and what it had done by then counts
        if not before:
            self.judge.promised[order_id] = None, asked
        with self.world.network.at("web"):
            said: object = await self._web.cancel_order(self.database, order_id)
        assert isinstance(said, bool), f"cancel_order returned {said!r}; True or False was expected"
        self.world.happens("web", f"cancel_order {order_id}: {said}")
        if not before:
            self.judge.promised[order_id] = said, asked
        self.judge.assert_too_late_if(not said, order_id)
        return said

    async def cancel_standing_still(self, order_id: str) -> bool:
        """As `cancel`, but the web server stands still for a minute at this world's await."""

        async def a_minute() -> None:
            self.world.happens("web", "stands still")
            self.judge.stood_still.add("web")
            await asyncio.sleep(60)

        outcome = await self.world.frozen(self.cancel(order_id), "web", a_minute)
        return bool(outcome.result)

    async def kill_at_this_await_of_web(self, coroutine: Coroutine[Any, Any, Any]) -> bool:
        """`place` or `cancel`, in which the web server is killed at this world's await; whether it
        came to that. Then there is another web server."""
        outcome = await self.world.killed(coroutine, "web", outside=self.outside)
        if outcome.fired:
            self.world.happens("web", "is killed")
            self._web = _functions(self._submission.restart())
        return outcome.fired

    async def status(self, order_id: str) -> str:
        """What the submission says about an order."""
        with self.world.network.at("web"):
            said: object = await self._web.status(self.database, order_id)
        words = ("running", "delivered", "cancelled")
        assert said in words, f"status returned {said!r}; one of {words} was expected"
        return str(said)

    async def until_ended(self, *order_ids: str, within: float = TEN_MINUTES) -> None:
        """Wait until orders have ended by their status; if one has not in time, say why."""
        began = self.world.time()
        deadline = began + within
        waiting = list(order_ids or self.calls.orders)
        pause = 1.0
        while waiting:
            if self.world.time() >= deadline:
                await self._say_why(waiting[0], within)
            if self.world.time() - max(self.calls.last(), began) > _SILENCE:
                self.world.recorder.stop()  # what nobody does would fill all of the timeline
            await asyncio.sleep(pause)
            pause = min(pause * 2, 20)
            self.check()
            for order_id in list(waiting):
                if await self.status(order_id) != "running":
                    waiting.remove(order_id)
                    self.judge.ended.setdefault(order_id, self.world.time())

    # -- before a mistake gets a name -------------------------------------------------------------

    async def _say_why(self, order_id: str, within: float) -> None:
        """An order has not ended in time. Nobody is said to forget orders who is only slow, or
        does nothing at all."""
        if not self.judge.is_driven(order_id):
            self.world.recorder.stop()
            await self.place(make_order(98))
            late = False
            for _ in range(20):
                await asyncio.sleep(60)
                late = late or self.judge.is_driven(order_id)
                if late:
                    break
            late = late or await self.status(order_id) != "running"
            assert not late, (
                f"{within / 60:.0f} minutes after {order_id} was placed or its coordinator was "
                "killed, nobody had done anything for it; twenty minutes later somebody had"
            )
            if not self.calls.made:
                await self._try_in_one_process("o-98")
        self.judge.assert_ended(order_id, within, idle=not self.judge.is_driven("o-98"))

    async def _try_in_one_process(self, order_id: str) -> None:
        """Nobody has done anything for any order. If somebody does in the process in which they
        were placed, that process has kept them to itself."""
        with self.world.network.at("web"):
            task = asyncio.create_task(self._web.coordinate(self.database, self.calls.call))
        self._running["web"] = task
        await self.until_sent(order_id, "ReserveStock")
        assert not self.calls.of(order_id), mistake(
            "state-in-memory",
            "Orders were placed in the web server. Coordinators, which are processes of their own, "
            "did nothing for any of them. One that was started in the web server's process did: "
            "what place_order leaves for it is in that process, and not in the log.",
        )

    async def _assert_it_can_cancel(self) -> None:
        """A promise was broken. Nobody is said to have looked too early who never looks, or who
        promises everything."""
        self.world.recorder.stop()
        self.calls.stormy = 0.0
        if not self._running:
            self.start()
        await self.place(make_order(99))
        await self.until_ended("o-99")
        assert not await self._web.cancel_order(self.database, "o-99"), (
            "cancel_order says True of an order that has been delivered"
        )
        await self.stop()
        await self.place(make_order(97))
        said = await self.cancel("o-97")
        self.start()
        await self.until_ended("o-97")
        assert not said or self.agents.outcome("o-97") == "cancelled", (
            "an order was placed and cancelled before a coordinator was there, cancel_order said "
            "True, and it was delivered"
        )
        await self.place(make_order(96))
        await self.until_sent("o-96", "TakePayment")
        said = await self.cancel("o-96")
        await self.until_ended("o-96")
        assert not said or self.agents.outcome("o-96") == "cancelled", (
            "an order was cancelled while it was being paid, nobody stood still, cancel_order said "
            "True, and it was delivered"
        )

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
            if self.judge.is_promise_broken(order_id):
                await self._assert_it_can_cancel()
            self.judge.assert_no_harm(order_id)
            status, outcome = await self.status(order_id), self.agents.outcome(order_id)
            if (status, outcome) == ("cancelled", "under way"):
                left = self.agents.left(order_id)
                await asyncio.sleep(TEN_MINUTES)
                assert self.agents.outcome(order_id) == outcome, (
                    f"{order_id}: status said 'cancelled' before all was undone: "
                    f"{' and '.join(left)} had happened, and had not been undone yet"
                )
            self.judge.assert_right(order_id, status, end)


def _functions(submission: Any) -> SimpleNamespace:
    """Those of a submission, as one process has them."""
    names = ("place_order", "cancel_order", "status", "coordinate")
    return SimpleNamespace(**{name: getattr(submission, name) for name in names})


def scenes(folder: Path) -> Callable[..., Scene]:
    """What makes scenes: each has a log of its own, an empty file in WAL mode."""
    numbers: Iterator[int] = iter(range(10**6))

    def make(world: World, submission: Any, **options: Any) -> Scene:
        database = folder / f"{next(numbers)}.db"
        database.write_bytes(empty_database())
        return Scene(world, submission, database, **options)

    return make
