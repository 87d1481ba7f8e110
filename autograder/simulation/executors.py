"""Pools of few threads: ``ThreadPoolExecutor(1)`` does one job after another, in one thread.

Programs lean on that: a connection of SQLite belongs to the thread that has opened it, and jobs
that come one after another need no lock. In a world the pool itself does nothing; for each of its
threads there is a lane here.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from .current import here, world_on_loop_thread
from .patches import Patches
from .problems import Refused

if TYPE_CHECKING:
    from .workers import Thread, Worker, Workers


class Lanes:
    """The lanes of one pool: so many jobs at a time, the others in the order of their coming."""

    def __init__(self, workers: Workers, pool: Any, count: int) -> None:
        self._workers = workers
        self._count = count
        # What a pool was given to do first in each of its threads.
        self._first: Callable[..., Any] | None = getattr(pool, "_initializer", None)
        self._first_args: tuple[Any, ...] = getattr(pool, "_initargs", ())
        self._threads: list[Thread] = []
        self._free: deque[Thread] = deque()
        self._waiting: deque[tuple[Worker, float]] = deque()

    def start(self, worker: Worker, delay: float) -> None:
        """Start a worker after so many virtual seconds, once there is a lane for it."""
        worker.lanes = self
        self._waiting.append((worker, delay))
        self._next()

    def left(self, thread: Thread) -> None:
        """A worker has ended, and its thread can have another one; called on the loop's thread."""
        self._free.append(thread)
        self._next()

    def hurry(self, future: Future[Any]) -> None:
        """The loop's thread waits for that, so that nobody else runs: let the jobs be done now.

        A job that sleeps stays where it is.
        """
        while not future.done() and self._waiting and self._free:
            self._next()
        for worker in list(self._workers.busy):
            if worker.lanes is self and worker.stops == 0 and not future.done():
                self._workers.let_run(worker, 0)

    def _next(self) -> None:
        if not self._waiting:
            return
        if not self._free and len(self._threads) < self._count:
            self._threads.append(self._workers.threads.lend())
            self._free.append(self._threads[-1])
            if self._first is not None:
                self._waiting[0][0].prepend(self._first, self._first_args)
        if self._free:
            worker, delay = self._waiting.popleft()
            self._workers.start(worker, delay, self._free.popleft())

    def close(self) -> None:
        """The world has ended: others may have the threads."""
        self._waiting.clear()
        for thread in self._threads:
            self._workers.threads.take_back(thread)


class Executors:
    """The pools that a world's programs hand to ``run_in_executor``."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._lanes: dict[Any, Lanes] = {}

    def lanes(self, pool: Any) -> Lanes | None:
        """The lanes of a pool; None if it has as many threads as anybody wants.

        Raises:
            RuntimeError: the pool has been shut down.
        """
        count = getattr(pool, "_max_workers", None)
        if not isinstance(count, int):
            return None
        if getattr(pool, "_shutdown", False):
            raise RuntimeError("cannot schedule new futures after shutdown")
        if pool not in self._lanes:
            self._lanes[pool] = Lanes(self._workers, pool, count)
        return self._lanes[pool]

    def submit(self, pool: Any, call: Callable[[], Any]) -> Future[Any]:
        """What ``pool.submit`` does in a world."""
        lanes = self.lanes(pool)
        assert lanes is not None
        future = Job(lanes)

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = call()
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        lanes.start(self._workers.worker(work), self._workers.overhead(call))
        return future

    def close(self) -> None:
        """The world has ended."""
        for lanes in self._lanes.values():
            lanes.close()


class Job(Future[Any]):
    """What ``submit`` gives in a world."""

    def __init__(self, lanes: Lanes) -> None:
        super().__init__()
        self._lanes = lanes

    def result(self, timeout: float | None = None) -> Any:
        world = world_on_loop_thread()
        if world is not None and not self.done():
            world.blocked("concurrent.futures.Future.result()", "await asyncio.wrap_future(...)")
            self._lanes.hurry(self)
            if not self.done():
                raise Refused("The loop's thread waits for one that waits for the loop.")
        return super().result(timeout)


def install(patches: Patches) -> None:
    """A pool to which something is submitted in a world is one of this world's."""

    def submit(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if here.world is None:
            return original(self, fn, *args, **kwargs)  # type: ignore[no-any-return]
        call = functools.partial(fn, *args, **kwargs)
        return here.world.worker_threads().executors.submit(self, call)

    original = patches.put(ThreadPoolExecutor, "submit", submit)
