"""Worker threads wait for each other, and for the loop, in virtual time.

Everything in ``threading`` and ``queue`` that waits does so on a Condition. While worlds run its
``wait`` parks a simulated worker, and ``notify`` lets the loop wake it: who goes on first depends
on the world alone, and a time limit on the wait is virtual.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from .current import here
from .patches import Patches

if TYPE_CHECKING:
    from .workers import Worker

_outsiders: WeakSet[threading.Thread] = WeakSet()


def is_ours(thread: threading.Thread) -> threading.Thread:
    """Mark a thread as this engine's own; gives it back."""
    _outsiders.add(thread)
    return thread


class _Notice:
    """Stands where a Condition keeps the lock of one who waits; ``notify`` releases it."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.given = False

    def release(self) -> None:
        self.given = True
        self._worker.resume()


def _wait_as_worker(condition: Any, timeout: float | None, worker: Worker) -> bool:
    """What ``Condition.wait`` does, on a simulated worker's thread."""
    if not condition._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    notice = _Notice(worker)
    condition._waiters.append(notice)
    lock = condition._release_save()
    try:
        worker.park(timeout)
    finally:
        condition._acquire_restore(lock)
        if not notice.given:
            with suppress(ValueError):
                condition._waiters.remove(notice)
    return notice.given


def install(patches: Patches) -> None:
    """Put the simulated ``wait`` in place."""

    def wait(self: Any, timeout: float | None = None) -> bool:
        worker = here.worker
        if worker is None:
            return bool(original(self, timeout))
        return _wait_as_worker(self, timeout, worker)

    original = patches.put(threading.Condition, "wait", wait)
    _outsiders.update(threading.enumerate())


def real_threads() -> bool:
    """True if the code under study has real threads of its own that are still alive."""
    return any(thread not in _outsiders for thread in threading.enumerate())
