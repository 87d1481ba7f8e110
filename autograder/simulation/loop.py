"""An asyncio event loop on a virtual clock.

The ready queue is first-in-first-out, exactly as asyncio's: what differs from world to world is
when timers fire and messages arrive, never the order of what is ready. When nothing is
ready the clock jumps to the next timer, so that a sleep of an hour costs microseconds.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import events
from collections import deque
from collections.abc import Callable
from contextvars import Context
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

from .current import current_process
from .ownership import BOUNDARY
from .problems import Deadlock, Livelock, Refused
from .tasks import SimulatedTask

if TYPE_CHECKING:
    from .strategies import Strategy
    from .world import World

START = 1000.0
"""What the monotonic clock shows when a world begins, in seconds. Not 0: on a real machine
``last_failure = 0.0`` means long ago, and so it must here."""

_TICK = 1e-10
"""Seconds: no wait is shorter, as time passes on a real clock however short a wait was to be. Less
than what `World.time` tells apart."""
_SPIN_LIMIT = 1000
_SPIN_COST = 50e-6
_CANCELLED_TIMERS = 100
_GARBAGE_STEPS = 20_000
_FEW_TASKS = 256


# The machinery below is asyncio's own but private, so the type checker is told to look away.
_BaseEventLoop: Any = asyncio.BaseEventLoop


class SimulatedLoop(_BaseEventLoop):  # type: ignore[misc]
    """One world's event loop.

    Args:
        world: the world it belongs to.
        max_steps: callbacks it may run before the world counts as a livelock.
        max_busy: callbacks it may run in a row before it counts as one, without waiting.
        until: virtual seconds the world may last.
        lateness: timers may fire late by up to this share of their delay (0.0: exactly on time).
        strategy: picks which task runs next (advisory tier); None for asyncio's own order.
    """

    def __init__(
        self,
        world: World,
        *,
        max_steps: int = 100_000,
        max_busy: int = sys.maxsize,
        until: float = 86_400.0,
        lateness: float = 0.0,
        strategy: Strategy | None = None,
    ) -> None:
        super().__init__()
        self.world = world
        self.ownership = world.ownership
        self.now = START
        self.steps = 0
        self.max_steps = max_steps
        self.max_busy = max_busy
        self._waited_at = 0
        self.deadline = START + until
        self.lateness = lateness
        self.strategy = strategy
        self.task_count = 0
        self.tasks: list[SimulatedTask] = []
        self.makes_other_tasks = False
        self._most_tasks = _FEW_TASKS
        self._stopping: bool
        self._thread_id: int | None
        self.reports: list[dict[str, Any]] = []
        self._ready: deque[asyncio.Handle] = self._ready
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timer_count = 0
        self._cancelled_timers = 0
        self._spins = 0

    # -- time ---------------------------------------------------------------------------------

    def time(self) -> float:
        process = current_process.get()
        return self.now if process is None else self.now + process.ahead

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        if delay is None:
            raise TypeError("delay must not be None")
        if 0.0 < delay < _TICK:
            # Else who sleeps for what rounding has left over finds the clock where it was.
            delay = _TICK
        return self.call_when(self.now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        if when is None:
            raise TypeError("when cannot be None")
        process = current_process.get()
        if process is not None:
            when -= process.ahead
        return self.call_when(when, callback, *args, context=context)

    def call_when(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """`call_at` by the world's own clock, whatever that of the running process shows."""
        self._check_closed()
        if self.lateness and when > self.now:
            when += (when - self.now) * self.lateness * self.world.draw("timer lateness") ** 2
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        # Equal deadlines fire in the order they were set, as they do on a real clock, which
        # never shows the same time twice.
        self._timer_count += 1
        heappush(self._timers, (when, self._timer_count, timer))
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self._cancelled_timers += 1
        if self._cancelled_timers > _CANCELLED_TIMERS and (
            self._cancelled_timers * 2 > len(self._timers)
        ):
            self._timers = [entry for entry in self._timers if not entry[2].cancelled()]
            heapify(self._timers)
            self._cancelled_timers = 0

    # -- running ------------------------------------------------------------------------------

    def run_forever(self) -> None:
        self._check_closed()
        # A world may run inside a running loop (a notebook's): that one is set aside meanwhile.
        outer = events._get_running_loop()
        outer_hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(
            firstiter=self._asyncgen_firstiter_hook,
            finalizer=self._asyncgen_finalizer_hook,
        )
        events._set_running_loop(self)
        self._thread_id = self.world.thread
        run_once = self._run_once if self.strategy is None else self._run_one_shuffled
        try:
            while True:
                run_once()
                if self._stopping:
                    break
        finally:
            self._stopping = False
            self._thread_id = None
            events._set_running_loop(outer)
            sys.set_asyncgen_hooks(*outer_hooks)

    def _check_running(self) -> None:
        if self.is_running():
            raise RuntimeError("This event loop is already running")

    def is_running(self) -> bool:
        return events._get_running_loop() is self

    def _run_once(self) -> None:
        ready = self._ready
        if not ready:
            self._wait_for_something()
        else:
            self._collect_due()
        count = len(ready)
        self._count_steps(count)
        if self.world.tracing or self.world.deaths is not None:
            self._run_watched(count)
            return
        for _ in range(count):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _run_watched(self, count: int) -> None:
        for _ in range(count):
            handle = self._ready.popleft()
            if not handle._cancelled:
                self._run_one(handle)

    def _run_one(self, handle: asyncio.Handle) -> None:
        """Run what is ready, unless it belongs to the dead, and tell whoever wants to know."""
        world, deaths = self.world, self.world.deaths
        if deaths is not None and deaths.holding and deaths.holds(handle):
            return
        handle._run()
        if world.tracing:
            world.recorder.ran(handle)
        if deaths is not None and deaths.counting:
            deaths.ran(handle)

    def _run_one_shuffled(self) -> None:
        """The advisory tier: the strategy picks which lane runs next."""
        assert self.strategy is not None
        self.strategy.take_in(self._ready)
        if not self.strategy.waiting:
            self._wait_for_something()
        else:
            self._collect_due()
        self.strategy.take_in(self._ready)
        handle = self.strategy.pick(self.world)
        if handle is not None and not handle._cancelled:
            self._count_steps(1)
            self._run_one(handle)

    def _count_steps(self, count: int) -> None:
        before = self.steps
        self.steps = before + count
        if self.steps > self.max_steps:
            raise self.world.too_long(
                Livelock, "livelock", f"{self.max_steps:,} steps and still not finished"
            )
        if self.steps - self._waited_at > self.max_busy:
            raise self.world.too_long(
                Livelock, "livelock", f"{self.max_busy:,} steps in a row, and nobody waits"
            )
        if self.steps // _GARBAGE_STEPS != before // _GARBAGE_STEPS:
            self.world.collect_garbage()

    def _collect_due(self) -> None:
        """Move timers that are due behind what is ready; let a busy loop burn a little time."""
        self._spins += 1
        if self._spins > _SPIN_LIMIT:
            # Real loops take time to spin: one that polls for a message must see it arrive.
            self.now += _SPIN_COST
        timers, now = self._timers, self.now
        while timers and timers[0][0] <= now:
            self._make_ready(heappop(timers)[2])

    def _wait_for_something(self) -> None:
        """Nothing is ready: let a worker thread work, or let time pass until the next timer."""
        if self._stopping:
            return
        self._waited_at = self.steps
        if self.world.workers is not None and self.world.workers.wait(self):
            return
        timers = self._timers
        while timers:
            when, _, timer = heappop(timers)
            if timer._cancelled:
                self._cancelled_timers -= 1
                continue
            self._spins = 0
            if when > self.now:
                if when > self.deadline:
                    raise self.world.too_long(
                        Deadlock,
                        "deadlock",
                        f"{self.deadline - START:g} seconds went by and it is still not finished",
                    )
                self.now = when
                self.world.locks.check_cycle(when)
            self._make_ready(timer)
            while timers and timers[0][0] <= when:
                self._make_ready(heappop(timers)[2])
            if self._ready:
                return
        raise self.world.too_long(Deadlock, "deadlock", "nothing can run any more")

    def _make_ready(self, timer: asyncio.TimerHandle) -> None:
        timer._scheduled = False  # type: ignore[attr-defined]
        if timer._cancelled:
            self._cancelled_timers -= 1
        else:
            self._ready.append(timer)

    def drain(self, steps: int) -> None:
        """Run what is ready, without letting time pass, for at most ``steps`` callbacks."""
        limit = self.steps + steps
        while (self._ready or (self.strategy and self.strategy.waiting)) and self.steps < limit:
            self.call_soon(self.stop)
            self.run_forever()
            if len(self._ready) == 0:
                break

    def idle(self) -> bool:
        """True when nothing is ready, no timer is set and no worker is at work."""
        busy = self.world.workers is not None and self.world.workers.busy
        return not self._ready and not self._timers and not busy

    # -- tasks --------------------------------------------------------------------------------

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None, **options: Any
    ) -> asyncio.Task[Any]:
        self._check_closed()
        factory = self.get_task_factory()
        if factory is not None and factory is not getattr(asyncio, "eager_task_factory", None):
            self.makes_other_tasks = True
            made = factory(self, coro, context=context) if context else factory(self, coro)
            if name is not None:
                made.set_name(name)
            return made  # type: ignore[no-any-return]
        if factory is not None:
            options.setdefault("eager_start", True)
        task = SimulatedTask(coro, loop=self, name=name, context=context, **options)
        self.tasks.append(task)
        if len(self.tasks) > self._most_tasks:
            self._forget_tasks()
        if self.world.tracing:
            self.world.recorder.spawned(task)
        return task

    def _forget_tasks(self) -> None:
        """A task that ended well, or that a library made, is of no further interest to anyone."""
        self.tasks = [
            task
            for task in self.tasks
            if not task.done() or (task.author is not None and lost_exception(task) is not None)
        ]
        self._most_tasks = 2 * len(self.tasks) + _FEW_TASKS

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.reports.append(context)
        if self._exception_handler is not None:
            super().call_exception_handler(context)

    # -- what a simulated world has instead of the operating system ----------------------------

    def _process_events(self, event_list: Any) -> None: ...

    def _write_to_self(self) -> None: ...

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        self._check_closed()
        handle: asyncio.Handle = self._call_soon(callback, args, context)
        if self.world.workers is not None:
            self.world.workers.wake()
        return handle

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        self._check_closed()
        return self.world.worker_threads().submit(func, args, executor)

    async def shutdown_default_executor(self, *_: object) -> None: ...

    def set_default_executor(self, executor: Any) -> None: ...

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        return await self.world.network.getaddrinfo(host, port, **options)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> Any:
        return await self.world.network.getnameinfo(sockaddr, flags)

    async def sock_connect(self, sock: Any, address: Any) -> None:
        await self.world.network.sock_connect(sock, address)

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        return await self.world.network.create_connection(protocol_factory, host, port, **options)

    async def create_server(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        return await self.world.network.create_server(protocol_factory, host, port, **options)

    async def _no_raw_sockets(self, *_: object) -> Any:
        raise Refused("A simulated world has no raw sockets: use asyncio's streams or a protocol.")

    sock_recv = sock_recv_into = sock_recvfrom = sock_sendall = sock_sendto = _no_raw_sockets
    sock_accept = sock_sendfile = _no_raw_sockets

    async def start_tls(self, *args: Any, **options: Any) -> Any:
        raise Refused("The simulated network has no TLS: use plain http:// and ws:// addresses.")

    async def create_datagram_endpoint(self, *args: Any, **options: Any) -> Any:
        raise Refused("The simulated network has no UDP.")

    async def create_unix_connection(self, *args: Any, **options: Any) -> Any:
        raise Refused("The simulated network has no Unix sockets: listen on a host name and port.")

    async def create_unix_server(self, *args: Any, **options: Any) -> Any:
        raise Refused("The simulated network has no Unix sockets: listen on a host name and port.")

    async def subprocess_exec(self, *args: Any, **options: Any) -> Any:
        raise Refused("A simulated world has no subprocesses.")

    async def subprocess_shell(self, *args: Any, **options: Any) -> Any:
        raise Refused("A simulated world has no subprocesses.")

    def add_signal_handler(self, sig: int, callback: Any, *args: Any) -> None:
        raise Refused("A simulated world has no signals: call the handler itself.")

    def remove_signal_handler(self, sig: int) -> bool:
        return False


BOUNDARY.add(SimulatedLoop.run_forever.__code__)


def lost_exception(task: asyncio.Task[Any]) -> BaseException | None:
    """The exception a finished task ended with, if nobody ever asked for it."""
    if task.done() and not task.cancelled() and getattr(task, "_log_traceback", False):
        return task._exception
    return None
