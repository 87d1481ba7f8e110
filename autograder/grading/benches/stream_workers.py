"""Workers on a Redis stream, with somebody who watches what becomes of the entries, for graders."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..mistakes import mistake

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from autograder.simulation import World
    from autograder.simulation.servers.redis import Executed, StreamView

STREAM, GROUP = "orders", "packers"
DEAD = f"{STREAM}:dead"
LONG = 3600.0
"""Seconds after which what has not happened will not happen."""
PATIENCE = 400
"""So many calls, and no handler returns any more: somebody tries for ever."""


@dataclass
class Running:
    """A worker that was started."""

    task: asyncio.Task[Any]
    stop: asyncio.Event


@dataclass(frozen=True)
class Call:
    """One call of a handler: when it began, by which worker, for which entry."""

    time: float
    worker: str
    entry: str
    order: str


class Warehouse:
    """What handlers do, and the table of what was packed: one row for each id, however often.

    Args:
        seconds: how long it takes to pack an order.
        fails: what to do about an order the n-th time (from 1): True is a failure.
    """

    def __init__(
        self,
        now: Callable[[], float],
        seconds: Callable[[str], float] = lambda order: 0.1,
        fails: Callable[[str, int], bool] = lambda order, nth: False,
    ) -> None:
        self.calls: list[Call] = []
        self.at_work: list[Call] = []
        self.twice: list[tuple[Call, Call]] = []
        self.odd: list[str] = []
        self.before_effect: Callable[[str], None] = lambda entry: None
        self._now = now
        self._seconds = seconds
        self._fails = fails
        self._table = sqlite3.connect(":memory:", isolation_level=None)
        self._table.execute('CREATE TABLE packed (entry TEXT PRIMARY KEY, "order" TEXT NOT NULL)')

    def close(self) -> None:
        self._table.close()

    def handler(self, worker: str) -> Callable[..., Coroutine[Any, Any, None]]:
        """What a worker of this name is given."""

        async def handle(entry_id: str, fields: Mapping[str, str]) -> None:
            self._look_at(entry_id, fields)
            call = Call(self._now(), worker, str(entry_id), str(dict(fields).get("order")))
            self.twice += [(other, call) for other in self.at_work if other.entry == call.entry]
            self.calls.append(call)
            nth = len(self.called(call.order))
            self.at_work.append(call)
            try:
                patient = len(self.calls) < PATIENCE
                await asyncio.sleep(self._seconds(call.order) if patient else 10 * LONG)
            finally:
                self.at_work.remove(call)
            if self._fails(call.order, nth):
                raise RuntimeError(f"{call.order} cannot be packed")
            self.before_effect(call.entry)
            self._table.execute(
                "INSERT OR IGNORE INTO packed VALUES (?, ?)", (entry_id, call.order)
            )

        return handle

    def _look_at(self, entry_id: Any, fields: Any) -> None:
        strings = [entry_id, *fields, *fields.values()] if isinstance(fields, Mapping) else []
        if not strings or not all(isinstance(one, str) for one in strings):
            self.odd.append(f"handle({entry_id!r}, {fields!r})")

    def called(self, order: str) -> list[Call]:
        """The calls for an order."""
        return [call for call in self.calls if call.order == order]

    def packed(self) -> Counter[str]:
        """How many rows each order has."""
        return Counter(order for (order,) in self._table.execute('SELECT "order" FROM packed'))

    def has(self, entry: str) -> bool:
        """True if this entry was packed."""
        return bool(
            self._table.execute("SELECT 1 FROM packed WHERE entry = ?", (entry,)).fetchone()
        )


class Scene:
    """A simulated server, a warehouse and workers; ``options`` are what each worker is given."""

    def __init__(
        self, world: World, submission: ModuleType, warehouse: Warehouse, **options: Any
    ) -> None:
        from autograder.simulation.servers.redis import RedisServer

        self.world = world
        self.warehouse = warehouse
        self.server = RedisServer(world)
        self.lost: list[str] = []
        self._submission = submission
        self._options = options
        self._removed = 0
        self._finished: set[str] = set()
        self._known: dict[str, str] = {}
        self.server.on_command(self._watch)

    # -- workers ----------------------------------------------------------------------------------

    def work(self, name: str, stop: asyncio.Event, host: str = "") -> Any:
        """The coroutine of a worker, which shares no more with others than processes do."""
        return self._submission.restart().work(
            self.server.url,
            self.warehouse.handler(host or name),
            stop,
            stream=STREAM,
            group=GROUP,
            consumer=name,
            **self._options,
        )

    def start(self, name: str = "worker", host: str = "") -> Running:
        """A worker on a host of its own."""
        stop = asyncio.Event()
        with self.world.network.at(host or name):
            return Running(
                asyncio.create_task(self.work(name, stop, host), name=host or name), stop
            )

    async def stop(self, *workers: Running, seconds: float = 60.0) -> None:
        """Tell workers to stop, and wait until they have."""
        for worker in workers:
            worker.stop.set()
        for worker in workers:
            await asyncio.wait([worker.task], timeout=seconds)
            if not worker.task.done():
                worker.task.cancel()
                await asyncio.wait([worker.task], timeout=30)
                raise AssertionError(
                    mistake(
                        "never-stops",
                        f"stop was set, no handler was at work, and {seconds:.0f} s later the "
                        "worker has not returned.",
                    )
                )
            self.check(worker)

    def check(self, *workers: Running) -> None:
        """Raises what a worker raised, and AssertionError if one has returned untold."""
        for worker in workers:
            if worker.task.done():
                worker.task.result()
                assert worker.stop.is_set(), "the worker returned, and nobody had told it to stop"
        assert not self.warehouse.odd, (
            f"ids and fields are handed over as str; this was called: {self.warehouse.odd[0]}"
        )

    def check_alive(self, worker: Running, said: str) -> None:
        """AssertionError if a worker has ended, in whichever way."""
        if worker.task.done():
            error = worker.task.exception()
            how = f"raised {error!r}" if error else "returned"
            raise AssertionError(f"{said}, and work {how}")

    # -- entries ----------------------------------------------------------------------------------

    async def client(self, host: str = "shop") -> Redis:
        """A client of the grader's own; whoever has it closes it."""
        import redis.asyncio

        with self.world.network.at(host):
            client = redis.asyncio.from_url(
                self.server.url, decode_responses=True, client_name=host
            )
            await client.ping()
            return client

    async def publish(self, *orders: str, age: float = 0.0) -> None:
        """Add an entry for each order; `age`: how many seconds ago it was added, by its id."""
        async with await self.client() as client, client.pipeline(transaction=False) as all_of_them:
            for number, order in enumerate(orders):
                entry_id = f"{self.milliseconds() - round(age * 1000)}-{number}" if age else "*"
                all_of_them.xadd(STREAM, {"order": order}, id=entry_id)
            await all_of_them.execute()

    async def make_group(self) -> None:
        """Create the group, before a worker does."""
        async with await self.client() as client:
            await client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)

    def milliseconds(self) -> int:
        """What the clocks say, since 1970."""
        return self.server.engine.now

    @property
    def stream(self) -> StreamView:
        return self.server.stream(STREAM)

    def dead(self) -> list[dict[str, str]]:
        """What is in the stream of the dead."""
        return [fields for _, fields in self.server.stream(DEAD).entries]

    def outside(self) -> object:
        """What is there when a worker is dead (see `World.killed`)."""
        stream = self.stream
        packed, begun = self.warehouse.packed(), len(self.warehouse.calls)
        pending = [(one.id, one.consumer, one.deliveries) for one in stream.pending(GROUP)]
        return pending, stream.unread(GROUP), stream.ids, self.dead(), packed, begun

    def is_quiet(self) -> bool:
        """Nothing is unread, and nothing pending."""
        stream = self.stream
        return bool(stream.groups) and not stream.unread(GROUP) and not stream.pending(GROUP)

    def is_over(self) -> bool:
        """Nothing is left of all that has begun: neither at work nor ever to be tried again."""
        return bool(self.warehouse.calls) and self.is_quiet() and not self.warehouse.at_work

    async def until_quiet(self, seconds: float = LONG) -> None:
        """Wait until all is read and acknowledged, or so many seconds."""
        await self.within(seconds, self.is_quiet)

    async def within(self, seconds: float, condition: Callable[[], Any]) -> bool:
        """Wait until something about the server or the warehouse is true; whether it is."""
        end = self.world.time() + seconds
        while not condition():
            if self.world.time() >= end:
                return False
            await asyncio.sleep(0.5)
        return True

    # -- watching ---------------------------------------------------------------------------------

    def _watch(self, one: Executed) -> None:
        """See to it that nothing is removed before its work is done."""
        stream = self.stream
        removed = stream.added - stream.length
        if removed != self._removed:
            self._removed = removed
            self._look_for_lost(stream, str(one))
        if one.client in ("shop", "rival"):
            if one.name == "EXEC":
                self._known |= {entry: fields["order"] for entry, fields in stream.entries}
            elif one.name == "XADD" and (fields := stream.entry(stream.last_id)):
                self._known[stream.last_id] = fields["order"]

    def _look_for_lost(self, stream: StreamView, command: str) -> None:
        there, last = set(stream.ids), stream.last_delivered(GROUP) or "0-0"
        pending = {row.id for row in stream.pending(GROUP)}
        for entry, order in self._known.items():
            if entry in there or self.warehouse.has(entry):
                continue
            if entry in pending or _position(entry) > _position(last):
                state = "pending" if entry in pending else "unread"
                self.lost.append(f"{order} was {state} when the worker sent  {command[:90]}")

    # -- judging ----------------------------------------------------------------------------------

    async def assert_all_packed(self, *orders: str, said: str, last: str) -> None:
        """Each has one row. ``said`` is what had happened; ``last`` was published after it."""
        packed, pending = self.warehouse.packed(), {p.id: p for p in self.stream.pending(GROUP)}
        assert packed[last], f"{said}. An order that came after that was never packed."
        for entry, order in self._known.items():
            if packed[order] or order not in orders:
                continue
            row = pending.get(entry)
            assert row is None, mistake(
                "pending-never-read",
                f"{said}. The order {order} is pending on the name {row.consumer!r}, and has been "
                f"idle for {row.idle:.0f} s; idle is {self._options['idle']:g} s. Nobody packs it.",
            )
            unread = _position(entry) > _position(self.stream.last_delivered(GROUP) or "0-0")
            assert unread or any(d.get("entry") == entry for d in self.dead()), mistake(
                "commits-early",
                f"{said}. The order {order} is acknowledged, and was never packed.",
            )
            raise AssertionError(
                f"{said}. The order {order} was never packed; "
                + ("it is unread" if unread else f"it is in {DEAD}")
            )

    def assert_nothing_lost(self, said: str) -> None:
        """Nobody has removed what was not done."""
        assert not self.lost, mistake(
            "trims-unread",
            f"{said} {len(self.lost)} orders were removed from the stream before they were "
            f"acknowledged: {self.lost[0]}",
        )

    def assert_undisturbed(self, said: str) -> None:
        """Nobody has died, nothing has failed: nobody is handed what another is working on."""
        by_entry: dict[str, list[Call]] = {}
        for call in self.warehouse.calls:
            by_entry.setdefault(call.entry, []).append(call)
        for calls in by_entry.values():
            first, order = calls[0], calls[0].order
            taken = [call for call in calls[1:] if call.worker != first.worker]
            taken += [call for _, call in self.warehouse.twice if call.entry == first.entry]
            assert not taken, mistake(
                "claims-from-the-living",
                f"{said}. {first.worker} began with {order} at {first.time:.0f} s, and was alive; "
                f"{taken[0].worker} began with it, too, at {taken[0].time:.0f} s.",
            )
            assert len(calls) == 1, (
                f"{said}, and handle was called {len(calls)} times for {order}, at "
                f"{[round(call.time) for call in calls]} s"
            )


def _position(entry: str) -> tuple[int, int]:
    milliseconds, _, number = entry.partition("-")
    return int(milliseconds), int(number)


def make_scene(
    world: World,
    submission: ModuleType,
    *,
    seconds: float | Callable[[str], float] = 0.1,
    fails: Callable[[str, int], bool] = lambda order, nth: False,
    idle: float = 30.0,
    **options: Any,
) -> Scene:
    """A scene of a simulated world."""
    takes = seconds if callable(seconds) else lambda order: float(seconds)
    warehouse = Warehouse(world.time, takes, fails)

    async def close() -> None:
        warehouse.close()

    world.at_end(close)
    return Scene(world, submission, warehouse, idle=idle, **options)


def warm_up() -> None:
    """Import all that a scene needs, and run it once."""
    from autograder.simulation import Plan, run_world

    async def program(world: World) -> None:
        import redis.asyncio

        from autograder.simulation.servers.redis import RedisServer

        async with redis.asyncio.from_url(RedisServer(world).url) as client:
            await client.xadd(STREAM, {"order": "none"})

    run_world(program, plan=Plan(wall=60.0))
