"""Pools of few threads: ``ThreadPoolExecutor(1)`` does one job after another, in one thread.

Programs lean on that: a connection of SQLite belongs to the thread that has opened it, and jobs
that come one after another need no lock. In a world the pool itself does nothing; for each of its
threads there is a lane here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

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
        """The lanes of a pool; None if it has as many threads as anybody wants."""
        count = getattr(pool, "_max_workers", None)
        if not isinstance(count, int):
            return None
        if pool not in self._lanes:
            self._lanes[pool] = Lanes(self._workers, pool, count)
        return self._lanes[pool]

    def close(self) -> None:
        """The world has ended."""
        for lanes in self._lanes.values():
            lanes.close()
