"""Simulated worker threads: ``to_thread``, ``run_in_executor`` and threads that sleep.

A worker is a real thread that runs only while the loop waits for it: one at a time, so that the
same seed gives the same world. A worker that calls ``time.sleep`` is parked in virtual time. A
worker that blocks on something real (a ``queue.Queue``, say) is let go after a moment and counts
as at work: a world that waits for it is no deadlock.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .current import here
from .problems import Deadlock, Problem

if TYPE_CHECKING:
    from .loop import SimulatedLoop
    from .world import World

_MOMENT = 0.25
"""Real seconds the loop gives a worker before it goes on without it."""
_AT_WORK = 1.0
"""Real seconds the clock stands still for workers at work before time moves on without them."""
_PATIENCE = 10.0
"""Real seconds the loop waits for workers when there is nothing else left to do."""
_OVERHEAD = (0.0001, 0.005)


class WorldIsOver(BaseException):
    """Ends a worker that is still parked when its world ends."""


class Worker:
    """One simulated thread."""

    def __init__(self, workers: Workers, call: Callable[[], None]) -> None:
        self._workers = workers
        self._call = call
        self._go = threading.Semaphore(0)
        self._over = False

    def run(self) -> None:
        """The thread's body."""
        self._go.acquire()
        here.world, here.worker = self._workers.world, self
        try:
            if not self._over:
                self._call()
        except WorldIsOver:
            pass
        finally:
            here.world = here.worker = None
            self._workers.finished(self)

    def sleep(self, seconds: float) -> None:
        """Park for virtual seconds; called on the worker's own thread."""
        workers = self._workers
        workers.parked.add(self)
        workers.call_on_loop(seconds, self)
        workers.hand_back()
        self._go.acquire()
        workers.parked.discard(self)
        if self._over:
            raise WorldIsOver

    def go(self) -> None:
        self._go.release()

    def end(self) -> None:
        self._over = True
        self._go.release()


class Workers:
    """The worker threads of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.parked: set[Worker] = set()
        self.busy: set[Worker] = set()
        self._baton = threading.Semaphore(0)
        self._awake = threading.Event()
        self._detached: set[Worker] = set()
        self._over = False
        self._lock = threading.Lock()

    # -- the loop's side ----------------------------------------------------------------------

    def submit(self, func: Callable[..., Any], args: tuple[Any, ...]) -> asyncio.Future[Any]:
        """Run a function in a new worker; gives the loop's future of its result."""
        loop = self.world.loop
        future: asyncio.Future[Any] = loop.create_future()

        def call() -> None:
            if future.cancelled():
                return
            try:
                result = func(*args)
            except (SystemExit, KeyboardInterrupt, StopIteration, Exception) as error:
                loop.call_soon_threadsafe(_fail, future, error)
            else:
                loop.call_soon_threadsafe(_succeed, future, result)

        name = getattr(func, "__qualname__", type(func).__name__)
        self.start(call, self.world.latency(f"worker {name}", *_OVERHEAD))
        return future

    def start(self, call: Callable[[], None], delay: float = 0.0) -> Worker:
        """Start a worker after ``delay`` virtual seconds."""
        worker = Worker(self, call)
        self.busy.add(worker)
        _threads.start(worker)
        self.world.loop.call_later(delay, self._let_run, worker, context=contextvars.Context())
        return worker

    def _let_run(self, worker: Worker) -> None:
        """Hand over to a worker, and wait until it parks, ends or blocks on something real."""
        worker.go()
        if not self._baton.acquire(timeout=_MOMENT):
            with self._lock:
                # It may have handed back between the time-out and here.
                if not self._baton.acquire(blocking=False):
                    self._detached.add(worker)

    def wait(self, loop: SimulatedLoop) -> bool:
        """Wait in real time for a worker that is at work. True if it made something ready."""
        if not self._detached:
            return False
        self._awake.clear()
        if loop._ready:
            return True
        patience = _AT_WORK if loop._timers else _PATIENCE
        self._awake.wait(patience)
        if loop._ready or not self._detached:
            return bool(loop._ready)
        if loop._timers:
            return False
        raise Deadlock(
            Problem("deadlock", f"a worker thread did not finish within {_PATIENCE:g} real seconds")
        )

    def wake(self) -> None:
        self._awake.set()

    def close(self) -> None:
        """End the workers that are parked; those that block for real are left behind."""
        self._over = True
        while self.parked - self._detached:
            worker = min(self.parked - self._detached, key=id)
            self.parked.discard(worker)
            worker.end()
            self._baton.acquire(timeout=_MOMENT)
        for worker in list(self.busy - self._detached):
            worker.end()

    # -- the worker's side --------------------------------------------------------------------

    def call_on_loop(self, seconds: float, worker: Worker) -> None:
        """Wake a worker later. Safe: the loop stands still while a worker runs."""
        if not self._over:
            self.world.loop.call_later(max(0.0, seconds), self._let_run, worker)

    def hand_back(self) -> None:
        worker = here.worker
        assert worker is not None
        self._give_up_turn(worker)

    def finished(self, worker: Worker) -> None:
        self.busy.discard(worker)
        self._give_up_turn(worker)

    def _give_up_turn(self, worker: Worker) -> None:
        with self._lock:
            if worker in self._detached:
                # The loop went on without this worker and holds no baton for it.
                self._detached.discard(worker)
                self._awake.set()
            else:
                self._baton.release()


def _succeed(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if future.done():
        return
    if isinstance(error, StopIteration):
        error = RuntimeError(f"StopIteration raised in a worker: {error!r}")
    future.set_exception(error)


class _Threads:
    """Real threads, kept for the next worker: starting one costs more than a small world."""

    def __init__(self) -> None:
        self._idle: deque[_Thread] = deque()

    def start(self, worker: Worker) -> None:
        try:
            thread = self._idle.pop()
        except IndexError:
            thread = _Thread(self._idle)
            thread.start()
        thread.jobs.append(worker)
        thread.wanted.release()


class _Thread(threading.Thread):
    def __init__(self, idle: deque[_Thread]) -> None:
        super().__init__(name="simulated worker", daemon=True)
        self.jobs: deque[Worker] = deque()
        self.wanted = threading.Semaphore(0)
        self._idle = idle

    def run(self) -> None:
        while True:
            self.wanted.acquire()
            self.jobs.popleft().run()
            self._idle.append(self)


_threads = _Threads()
