"""One simulated world: what a test is handed, and what its parts share."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from . import detectors
from .dice import Dice, heavy_tailed
from .locks import Locks
from .loop import START, SimulatedLoop
from .ownership import Ownership
from .problems import Crash, Problem, WorldEnded
from .recorder import Recorder, Silence
from .tasks import describe_task
from .waits import describe_wait, standing_still

if TYPE_CHECKING:
    import random
    import sqlite3

    from .channels import Channel
    from .current import Process
    from .deaths import Deaths
    from .faults import Interrupted
    from .letters import Letter, Letters
    from .network import Network
    from .strategies import Strategy
    from .tasks import SimulatedTask
    from .workers import Workers

Latency = tuple[float, float]
_LAST_STEPS = 2_000
"""Callbacks that what is left may run to clean up, when its world ends."""
LATENCY: Latency = (0.001, 0.050)
"""Seconds, least and most, of one trip over the network or to a disk."""


class World:
    """A world with its own time, network, faults and chance.

    Tests get one as their first argument. ``seed`` 0 is the calm world: least latencies, no faults.
    """

    def __init__(
        self,
        seed: int,
        *,
        ownership: Ownership,
        kept: frozenset[int] | None = None,
        interruption: int = 0,
        passes_over: bool = False,
        strategy: Strategy | None = None,
        tracing: bool = False,
        debug: bool = False,
        **limits: Any,
    ) -> None:
        self.seed = seed
        self.dice = Dice(seed, kept)
        self.draw: Callable[[str], float] = self.dice.draw
        self.ownership = ownership
        self.interruption = interruption
        self.passes_over = passes_over
        self.interrupted_once = False
        self.struck_at = 0  # the await at which a process was killed or stood still
        self.tracing = tracing
        self.debug = debug
        self.thread = threading.get_ident()
        self.main: asyncio.Task[Any] | None = None
        self.problems: list[Problem] = []
        self.workers: Workers | None = None
        self.locks = Locks(self)
        self.unawaited = detectors.Unawaited(self)
        self.loop = SimulatedLoop(self, strategy=strategy, **limits)
        self.recorder: Silence = Recorder(self) if tracing else Silence()
        self.deaths: Deaths | None = None
        self.databases: list[tuple[Process, sqlite3.Connection]] = []
        self.connections: list[sqlite3.Connection] = []  # that aiosqlite has opened
        self.letters: Letters | None = None
        self._network: Network | None = None
        self._entropy: random.Random | None = None
        self._labels: dict[asyncio.Task[Any], str] = {}
        self._label_counts: dict[str, int] = {}
        self._cleanups: list[Callable[[], Coroutine[Any, Any, Any]]] = []

    # -- what a test uses ---------------------------------------------------------------------

    def time(self) -> float:
        """Virtual seconds since the world began."""
        return round(self.loop.now - START, 9)

    def chance(self, probability: float, key: str) -> bool:
        """True with this probability; never in the calm world."""
        return self.draw(key) > 1.0 - probability

    def choose(self, count: int, key: str) -> int:
        """A number below ``count``; 0 in the calm world."""
        return int(self.draw(key) * count)

    def latency(self, key: str, low: float = LATENCY[0], high: float = LATENCY[1]) -> float:
        """Seconds that one trip takes: heavy-tailed, ``low`` in the calm world."""
        return heavy_tailed(self.draw(key), low, high)

    async def pause(
        self, key: str = "pause", low: float = LATENCY[0], high: float = LATENCY[1]
    ) -> None:
        """Wait as long as one trip takes."""
        await asyncio.sleep(self.latency(key, low, high))

    def service(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        latency: Latency = LATENCY,
        fails: float = 0.0,
        error: type[Exception] = ConnectionError,
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        """A remote service: the request travels, ``function`` runs there, the answer travels back.

        With probability ``fails`` the request is lost on its way and ``error`` is raised instead.
        """
        from .channels import service

        return service(self, function, name, latency, fails, error)

    def channel(
        self,
        name: str,
        *,
        latency: Latency = LATENCY,
        drop: float = 0.0,
        duplicate: float = 0.0,
        reorder: bool = False,
    ) -> Channel:
        """A one-way channel whose messages may be lost, doubled, late or out of order."""
        from .channels import Channel

        return Channel(self, name, latency, drop, duplicate, reorder)

    def note(self, text: str) -> None:
        """Put a line of your own into the timeline."""
        self.recorder.add("note", text)

    def letter(self, sender: str, receiver: str, text: str) -> Letter:
        """A message begins its way, for the message sequence diagram of a failure.

        Say ``arrived()`` of it when it does (once more for a duplicate), or ``lost()``.
        """
        return self._all_letters().send(sender, receiver, text)

    def happens(self, participant: str, text: str) -> None:
        """Something happens at a participant: an effect, a crash. For the same diagram."""
        self._all_letters().happen(participant, text)

    def _all_letters(self) -> Letters:
        if self.letters is None:
            from .letters import Letters

            self.letters = Letters(self)
        return self.letters

    async def interrupted(
        self, coro: Coroutine[Any, Any, Any], by: type[BaseException] = asyncio.CancelledError
    ) -> Interrupted:
        """Run ``coro`` and interrupt it at this world's await (tests with ``at_every_await``)."""
        from .faults import run_interrupted

        outcome = await run_interrupted(coro, self.interruption, by)
        self.interrupted_once = self.interrupted_once or outcome.fired
        return outcome

    def kill(self, host: str) -> None:
        """Kill what runs on a host (started in ``network.at(host)``), as ``kill -9`` does.

        Nothing of it runs any more, no clean-up either. Its connections are closed, its peers see
        that, and its open SQLite transactions are rolled back. Whatever is started on the host from
        now on is another process.
        """
        self._mortality().kill(self.network.host(host).process)

    async def killed(
        self,
        coro: Coroutine[Any, Any, Any],
        host: str,
        *,
        outside: Callable[[], object] | None = None,
    ) -> Interrupted:
        """Run ``coro`` as a process on a host and `kill` that at this world's await (tests with
        ``at_every_await``), whichever of its tasks waits there.

        Unlike what `interrupted` does, nothing of it cleans up. The outcome says whether it was
        killed (``fired``), or else what it returned; what it raises goes through.

        ``outside()`` is all that is there when the process is dead: what it has committed, sent,
        taken. Where that is the same at several awaits, one after another, one death is as good
        as the others, and only the first one has a world.
        """
        # A second one in the same world is killed at the await that its token will name.
        at = self.struck_at or self.interruption
        passed = outside if self.passes_over and not self.struck_at else None
        outcome = await self._mortality().run(coro, host, at, passed)
        self.interrupted_once = self.interrupted_once or outcome.fired
        return outcome

    async def frozen(
        self,
        coro: Coroutine[Any, Any, Any],
        host: str,
        meanwhile: Callable[[], Coroutine[Any, Any, Any]],
    ) -> Interrupted:
        """As `killed`, but the process only stands still at this world's await (the first one after
        a transaction), until ``meanwhile()`` has ended. Then it goes on, and its end is awaited."""
        return await self._mortality().run_frozen(coro, host, self.interruption, meanwhile)

    def _mortality(self) -> Deaths:
        if self.deaths is None:
            from .deaths import Deaths

            self.deaths = Deaths(self)
        return self.deaths

    @property
    def network(self) -> Network:
        """The world's network, made when it is first used."""
        if self._network is None:
            from .network import Network

            self._network = Network(self)
        return self._network

    def at_end(self, cleanup: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Await ``cleanup()`` when the test is over, before anything is judged."""
        self._cleanups.append(cleanup)

    # -- what the parts of a world use --------------------------------------------------------

    def record(self, kind: str, text: str, lane: str | None = None, key: str = "") -> None:
        """Add an event to the timeline, if there is one."""
        self.recorder.add(kind, text, lane, key)

    def worker_threads(self) -> Workers:
        if self.workers is None:
            from .workers import Workers

            self.workers = Workers(self)
        return self.workers

    @property
    def entropy(self) -> random.Random:
        """Stands in for the operating system's entropy."""
        if self._entropy is None:
            self._entropy = self.dice.randomness()
        return self._entropy

    def buckets_used(self) -> frozenset[int]:
        """The buckets of all draws that were not calm."""
        picks = self.loop.strategy.used if self.loop.strategy else set()
        return frozenset(self.dice.used | picks)

    def blocked(self, what: str, instead: str) -> None:
        """Studied code made a call that blocks the loop."""
        place = self.ownership.here()
        if place is not None:
            problem = detectors.blocking_call(place, what, instead)
            if problem not in self.problems:
                self.problems.append(problem)

    def label(self, task: asyncio.Task[Any]) -> str:
        """A short name for a task, the same throughout the world and no other task's."""
        label = self._labels.get(task)
        if label is None:
            label = "the test" if task is self.main else describe_task(task)
            count = self._label_counts[label] = self._label_counts.get(label, 0) + 1
            if count > 1:
                label = f"{label} #{count}"
            self._labels[task] = label
        return label

    def has_label(self, task: asyncio.Task[Any]) -> bool:
        """True for a task that something was told about."""
        return task in self._labels

    def all_tasks(self) -> list[asyncio.Task[Any]]:
        """Every task that is not done, oldest first."""
        tasks: list[asyncio.Task[Any]] = [
            task for task in self.loop.tasks if not task.done() and not self._is_dead(task)
        ]
        if self.loop.makes_other_tasks:
            tasks += asyncio.all_tasks(self.loop) - set(tasks)
        return tasks

    def _is_dead(self, task: SimulatedTask) -> bool:
        return self.deaths is not None and self.deaths.is_dead(task.process)

    def too_long(self, kind: type[WorldEnded], name: str, message: str) -> WorldEnded:
        """The error for a world that cannot go on: says who waits for what."""
        stubborn = detectors.stubborn_task(self)
        if stubborn is not None:
            return kind(stubborn)
        cycle = self.locks.standing_cycle()
        if cycle is not None:
            return kind(self.locks.describe_cycle(cycle))
        waiting = [
            task for task in self.all_tasks() if task is not self.main and self._matters(task)
        ]
        rows = tuple(self.locks.row(task) for task in waiting[:12])
        if len(waiting) > 12:
            rows += (f"and {len(waiting) - 12} more",)
        if self.main is not None and not self.main.done():
            rows += (self.locks.row(self.main),)
        file, line = self._first_place(waiting)
        if name == "livelock" and standing_still(waiting, self.ownership):
            # Steps were taken by others, such as a ticker of the test: this is no livelock.
            name, message = "deadlock", "time goes by, and nothing of it can go on"
        return kind(Problem(name, message, file, line, rows))

    def _matters(self, task: asyncio.Task[Any]) -> bool:
        return describe_wait(task, self.ownership).file is not None

    def _first_place(self, waiting: list[asyncio.Task[Any]]) -> tuple[str | None, int | None]:
        for task in [*waiting, *([self.main] if self.main else [])]:
            wait = describe_wait(task, self.ownership)
            if wait.file:
                return wait.file, wait.line
        return None, None

    def collect_garbage(self) -> None:
        """Collect cycles now: worlds run with the collector off, so that every run is the same."""
        gc.collect()

    # -- life and death -----------------------------------------------------------------------

    def run(self, coro: Coroutine[Any, Any, Any]) -> Any:
        """Run the test's coroutine to its end; its result, or its exception."""
        loop = self.loop
        main = self.main = loop.create_task(coro)
        main.add_done_callback(lambda _: loop.stop())
        self.recorder.start()
        try:
            loop.run_forever()
        finally:
            self.recorder.stop()
        if main.cancelled():
            raise asyncio.CancelledError
        error = main.exception()
        if error is not None:
            raise error
        return main.result()

    def run_on(self, max_steps: int) -> None:
        """Run the loop until something stops it, for a bounded number of steps."""
        limits = self.loop.max_steps, self.loop.max_busy
        self.loop.max_steps, self.loop.max_busy = max_steps, sys.maxsize
        try:
            with contextlib.suppress(WorldEnded):
                self.loop.run_forever()
        finally:
            self.loop.max_steps, self.loop.max_busy = limits

    def clean_up(self) -> None:
        """Stop what the test itself started: servers and registered clean-ups."""
        for cleanup in reversed(self._cleanups):
            task = self.loop.create_task(cleanup())
            task.add_done_callback(lambda _: self.loop.stop())
            self.run_on(self.loop.steps + 10_000)
            if task.done() and not task.cancelled():
                task.exception()
        self._cleanups.clear()

    def close(self) -> None:
        """Cancel whatever is left and close the loop."""
        loop = self.loop
        self.tracing = False
        self.recorder.stop()
        if self.deaths is not None:
            self.deaths.let_go()
        loop.deadline = math.inf  # the world may have ended because its time or steps were up
        for _ in range(3):
            left = self.all_tasks()
            if not left:
                break
            self.unawaited.excused = True
            for task in left:
                task.cancel()
            ended = asyncio.gather(*left, return_exceptions=True)
            ended.add_done_callback(lambda _: loop.stop())
            with contextlib.suppress(Crash, SystemExit, KeyboardInterrupt):
                self.run_on(loop.steps + _LAST_STEPS)
        self._close_generators()
        if self._network is not None:
            self._network.close()
        self.dismantle()

    def dismantle(self) -> None:
        """Close the loop without running anything any more; may be called again."""
        loop = self.loop
        if loop.is_closed():
            return
        self.recorder.stop()
        if self.workers is not None:
            self.workers.close()
        for task in self.all_tasks():
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop._ready.clear()
        loop._timers.clear()
        loop.close()
        loop.reports.clear()

    def _close_generators(self) -> None:
        if len(self.loop._asyncgens):
            task = self.loop.create_task(self.loop.shutdown_asyncgens())
            task.add_done_callback(lambda _: self.loop.stop())
            self.run_on(self.loop.steps + 2_000)
