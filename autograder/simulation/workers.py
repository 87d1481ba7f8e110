"""Simulated worker threads: ``to_thread``, ``run_in_executor`` and threads that sleep.

A worker is a real thread that runs only while the loop waits for it: one at a time, so that the
same seed gives the same world. A worker that calls ``time.sleep`` or waits for another thread (on a
``queue.Queue``, say) is parked in virtual time. One that is busy for long with something real is
let go after a moment and counts as at work: a world that waits for it is no deadlock.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import threading
import time
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from .clock import real_monotonic, real_sleep
from .conditions import is_ours, real_threads
from .current import current_process, here
from .executors import Executors, Lanes
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
_LOOK, _LOOKS = 0.01, 20
"""Real seconds a worker is watched to see whether it computes, and how often on a busy machine."""
_OVERHEAD = (0.0001, 0.005)


class WorldIsOver(BaseException):
    """Ends a worker that is still parked when its world ends."""


class _Turn:
    """Given by one thread and taken by another. (threading's own are made of Conditions.)

    No queue either: if a signal comes just before its time is up, `SimpleQueue.get` waits for ever
    (CPython 3.11: the time that is left becomes negative, which means no limit).
    """

    def __init__(self) -> None:
        self._given: deque[None] = deque()
        self._more = allocate_lock()
        self._more.acquire()

    def give(self) -> None:
        self._given.append(None)
        with suppress(RuntimeError):  # nobody has taken the one before
            self._more.release()

    def take(self, timeout: float | None = None) -> bool:
        """Wait for the turn, in real time; False if it did not come."""
        until = None if timeout is None else real_monotonic() + timeout
        while True:
            with suppress(IndexError):
                self._given.pop()
                return True
            left = -1 if until is None else max(0.0, until - real_monotonic())
            if not self._more.acquire(timeout=left):
                return False


class Worker:
    """One simulated thread."""

    def __init__(self, workers: Workers, call: Callable[[], None]) -> None:
        self._workers = workers
        self._call = call
        self._go = _Turn()
        self._over = False
        self._thread = 0
        self.stops = 0
        self.process = current_process.get()
        self.lanes: Lanes | None = None
        self.thread: Thread | None = None

    def prepend(self, first: Callable[..., None], args: tuple[Any, ...]) -> None:
        """Call something else first."""
        call = self._call

        def both() -> None:
            first(*args)
            call()

        self._call = both

    def run(self) -> None:
        """The thread's body."""
        self._thread = threading.get_ident()
        self._go.take()
        here.world, here.worker = self._workers.world, self
        try:
            if not self._over:
                self._call()
        except WorldIsOver:
            pass
        finally:
            here.world = here.worker = None
            self._workers.finished(self)

    def park(self, seconds: float | None) -> None:
        """Stop for virtual seconds or until it is resumed; called on the worker's own thread."""
        if self._over:
            raise WorldIsOver
        workers = self._workers
        workers.parked.add(self)
        if seconds is not None:
            workers.resume_later(seconds, self)
        workers.give_back(self)
        self._go.take()
        if self._over:
            raise WorldIsOver

    def resume(self) -> None:
        """End its stop; called on any thread."""
        self._workers.resume(self)

    def go(self) -> None:
        self.stops += 1
        self._workers.parked.discard(self)
        self._go.give()

    def end(self) -> None:
        self._over = True
        self._go.give()

    def stop_spinning(self) -> None:
        """End it in the middle of an endless loop.

        Only if it computes: on 3.11 an exception sent to a thread that blocks slows down all others
        until that thread runs again.
        """
        if not hasattr(time, "pthread_getcpuclockid"):
            return
        if self._thread not in {thread.ident for thread in threading.enumerate()}:
            return  # to ask for the clock of a thread that is gone, or not there yet, may crash
        clock = time.pthread_getcpuclockid(self._thread)
        before = time.clock_gettime(clock)
        for _ in range(_LOOKS):
            real_sleep(_LOOK)
            if time.clock_gettime(clock) != before:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread), ctypes.py_object(WorldIsOver)
                )
                return


class Workers:
    """The worker threads of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.parked: set[Worker] = set()
        self.busy: set[Worker] = set()
        self._baton = _Turn()
        self._awake = threading.Event()
        self._detached: set[Worker] = set()
        self._over = False
        self._lock = threading.Lock()
        self.executors = Executors(self)
        self.threads = _threads
        self.awaited = False

    # -- the loop's side ----------------------------------------------------------------------

    def submit(
        self, func: Callable[..., Any], args: tuple[Any, ...], pool: Any = None
    ) -> asyncio.Future[Any]:
        """Run a function in a new worker; gives the loop's future of its result."""
        loop = self.world.loop
        future: asyncio.Future[Any] = loop.create_future()

        def call() -> None:
            if future.cancelled():
                return
            try:
                result = func(*args)
            except WorldIsOver:
                raise
            except BaseException as error:
                self._report(_fail, future, error)
            else:
                self._report(_succeed, future, result)

        worker, delay = self.worker(call), self.overhead(func)
        lanes = self.executors.lanes(pool)
        if lanes is None:
            self.start(worker, delay)
        else:
            lanes.start(worker, delay)
        return future

    def worker(self, call: Callable[[], None]) -> Worker:
        """One that has not begun."""
        return Worker(self, call)

    def overhead(self, func: Callable[..., Any]) -> float:
        """Virtual seconds until a function is called that a thread is given."""
        name = getattr(func, "__qualname__", type(func).__name__)
        return self.world.latency(f"worker {name}", *_OVERHEAD)

    def start(self, worker: Worker, delay: float, thread: Thread | None = None) -> None:
        """Start a worker after ``delay`` virtual seconds, in this thread or in any."""
        self.busy.add(worker)
        worker.thread = thread
        _threads.start(worker, thread)
        self.resume_later(delay, worker)

    def let_run(self, worker: Worker, stop: int) -> None:
        """Hand over to a worker, and wait until it parks, ends or blocks on something real."""
        if worker.stops != stop:
            return  # something else has ended that stop of it
        deaths = self.world.deaths
        if deaths is not None and deaths.is_dead(worker.process):
            self.parked.discard(worker)
            worker.end()
        else:
            worker.go()
        with self._patiently():
            if self._baton.take(_MOMENT):
                return
        with self._lock:
            # It may have handed back between the time-out and here.
            if not self._baton.take(0):
                self._detached.add(worker)

    def wait(self, loop: SimulatedLoop) -> bool:
        """Wait in real time for a thread that is at work. True if it made something ready."""
        if not self._detached and (loop._timers or not self.parked or not real_threads()):
            return False
        self._awake.clear()
        if loop._ready:
            return True
        with self._patiently():
            self._awake.wait(_AT_WORK if loop._timers else _PATIENCE)
        if loop._ready or loop._timers or not self._detached:
            return bool(loop._ready)
        raise Deadlock(
            Problem("deadlock", f"a worker thread did not finish within {_PATIENCE:g} real seconds")
        )

    @contextmanager
    def _patiently(self) -> Iterator[None]:
        """The loop waits on purpose meanwhile: nobody blocks it."""
        self.awaited = True
        try:
            yield
        finally:
            self.awaited = False

    def wake(self) -> None:
        self._awake.set()

    def close(self) -> None:
        """End the workers that are parked; those that block for real are left behind."""
        self._over = True
        while self.parked - self._detached:
            worker = min(self.parked - self._detached, key=id)
            self.parked.discard(worker)
            worker.end()
            self._baton.take(_MOMENT)
        for worker in list(self.busy - self._detached):
            worker.end()
        for worker in list(self._detached):
            worker.stop_spinning()
        self.executors.close()

    # -- the worker's side --------------------------------------------------------------------

    def _report(self, settle: Callable[..., None], future: Any, value: object) -> None:
        with suppress(RuntimeError):  # nobody listens any more: the loop is closed
            self.world.loop.call_soon_threadsafe(settle, future, value)

    def resume_later(self, seconds: float, worker: Worker) -> None:
        """Resume a worker in virtual time. Safe: the loop stands still while a worker runs."""
        self.world.loop.call_later(
            max(0.0, seconds), self.let_run, worker, worker.stops, context=contextvars.Context()
        )

    def resume(self, worker: Worker) -> None:
        """Resume a worker as soon as the loop gets to it."""
        with suppress(RuntimeError):  # the loop is closed, and so is the world
            self.world.loop.call_soon_threadsafe(
                self.let_run, worker, worker.stops, context=contextvars.Context()
            )

    def finished(self, worker: Worker) -> None:
        self.busy.discard(worker)
        if worker.lanes is not None:
            with suppress(RuntimeError):  # the loop is closed, and so is the world
                self.world.loop.call_soon_threadsafe(
                    worker.lanes.left, worker.thread, context=contextvars.Context()
                )
        self.give_back(worker)

    def give_back(self, worker: Worker) -> None:
        with self._lock:
            if worker in self._detached:
                # The loop went on without this worker and holds no baton for it.
                self._detached.discard(worker)
                self._awake.set()
            else:
                self._baton.give()


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
        self._idle: deque[Thread] = deque()

    def start(self, worker: Worker, thread: Thread | None = None) -> None:
        thread = thread or self._take()
        with thread.lock:  # a lent one may not be quite done with its last job
            thread.jobs.append(worker)
            thread.at_work = True
        thread.wanted.release()

    def lend(self) -> Thread:
        """A thread for one pool only, until it is taken back."""
        thread = self._take()
        thread.lent = True
        return thread

    def take_back(self, thread: Thread) -> None:
        """It is for anybody again, when it is done with what it does."""
        with thread.lock:
            thread.lent = False
            if not thread.at_work:
                self._idle.append(thread)

    def _take(self) -> Thread:
        try:
            return self._idle.pop()
        except IndexError:
            thread = Thread(self._idle)
            is_ours(thread).start()
            return thread


class Thread(threading.Thread):
    """A real one, which does the work of one worker after another.

    Attributes:
        at_work: False while it waits for work.
        lent: True if it is not for anybody.
    """

    def __init__(self, idle: deque[Thread]) -> None:
        super().__init__(name="simulated worker", daemon=True)
        self.jobs: deque[Worker] = deque()
        self.wanted = threading.Semaphore(0)
        self.lock = allocate_lock()
        self.at_work = False
        self.lent = False
        self._idle = idle

    def run(self) -> None:
        while True:
            with suppress(WorldIsOver):  # it came too late for the worker it was meant for
                self.wanted.acquire()
                self.jobs.popleft().run()
                with self.lock:
                    self.at_work = bool(self.jobs)
                    if not self.at_work and not self.lent:
                        self._idle.append(self)


_threads = _Threads()
