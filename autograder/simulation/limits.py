"""Limits on real time, for code that never comes back: a loop without an await, a blocking call.

On the main thread of a POSIX system an interval timer interrupts the code. Elsewhere a watchdog
thread raises the exception in it, which cannot interrupt a call that blocks in C.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from .clock import real_monotonic, real_sleep
from .conditions import is_ours
from .ownership import BOUNDARY, Ownership
from .problems import Problem, Stuck

_TICK = 0.1
_REAL_PER_CPU = 5.0
"""A machine may be busy with something else: real time counts this much less than CPU time. Time in
which all cores were somebody else's does not count at all, where the system tells it."""
_REAL_OF_OTHERS = 3.0
"""So much longer yet, while no studied code is being run: the disk may be busy, too."""
_LAST_WORDS = 30
_FEW_LINES = 6
_IMPATIENT = 0.3
"""Seconds of patience with a file that was stuck before: likely it is the same again, and the more
often it was, the likelier. All other code has its full time."""
_times_stuck: Counter[str] = Counter()


def queued_for_a_core() -> float:
    """Seconds in which this process's main thread could have run, had there been a core for it.

    0.0 where the system does not tell. Source: the kernel's documentation, "Scheduler Statistics",
    /proc/<pid>/schedstat, its second number, in nanoseconds.
    """
    try:
        file = os.open("/proc/self/schedstat", os.O_RDONLY)
    except OSError:
        return 0.0
    try:
        return int(os.read(file, 100).split()[1]) / 1e9
    except (IndexError, ValueError):
        return 0.0
    finally:
        os.close(file)


class Watch:
    """Raises `Stuck` in code that makes no progress."""

    def __init__(
        self, seconds: float, progress: Callable[[], object], ownership: Callable[[], Ownership]
    ) -> None:
        self.seconds = seconds
        self.suspended = False
        self._progress = progress
        self._ownership = ownership
        self._last: object = self  # equal to nothing that is measured: the first look only looks
        self._cpu = self._real = self._queued = 0.0
        self._raised = 0
        self._problem: Problem | None = None

    def due(self, frame: FrameType | None) -> bool:
        """True when nothing moved for too long; ``frame`` is what runs now."""
        now = self._progress()
        if now != self._last or self.suspended:
            self._last, self._raised = now, 0
            self._cpu, self._real = time.process_time(), real_monotonic()
            self._queued = queued_for_a_core()
            return False
        limit = self._limit(frame)
        if time.process_time() - self._cpu >= limit:
            return True
        passed, queued = real_monotonic() - self._real, queued_for_a_core() - self._queued
        patience = 1.0 if self._ownership().nearest(frame) else _REAL_OF_OTHERS
        return passed - queued >= limit * _REAL_PER_CPU * patience

    def _limit(self, frame: FrameType | None) -> float:
        studied = self._ownership().nearest(frame)
        times = _times_stuck[studied.f_code.co_filename] if studied else 0
        return min(self.seconds, max(_TICK, _IMPATIENT / times)) if times else self.seconds

    @property
    def swallowed(self) -> int:
        """How often the error was raised and the code went on."""
        return self._raised - 1

    def stuck(self, frame: FrameType | None) -> Stuck:
        """The error to raise, which names the line of studied code that runs."""
        limit = self._limit(frame)
        self._raised += 1
        studied = self._ownership().nearest(frame)
        file = studied.f_code.co_filename if studied else None
        line = studied.f_lineno if studied else None
        if file:
            _times_stuck[file] += 1
        where = f"line {line}" if line else "the code"
        message = (
            f"{where} kept the event loop for {limit:g} s without reaching an await "
            "that lets others run"
        )
        if self._raised > _LAST_WORDS:
            # It catches BaseException in an endless loop: nothing in this process can stop it.
            os.write(2, f"\nStopped: {file}, {message}, and it catches every exception.\n".encode())
            os._exit(1)
        self._problem = Problem("blocking-call", message, file, line)
        return Stuck(self._problem)

    def take_problem(self) -> Problem | None:
        """What was wrong since this was last asked, whatever became of the error."""
        problem, self._problem = self._problem, None
        if problem is not None:
            _stop_tracing()
        return problem


@contextmanager
def watched(watch: Watch) -> Iterator[Watch]:
    """Keep an eye on the code in the block."""
    on_main = threading.current_thread() is threading.main_thread()
    with _by_timer(watch) if on_main and hasattr(signal, "setitimer") else _by_thread(watch):
        try:
            yield watch
        finally:
            watch.take_problem()


@contextmanager
def _by_timer(watch: Watch) -> Iterator[None]:
    def tick(number: int, frame: FrameType | None) -> None:
        if watch.due(frame):
            error = watch.stuck(frame)
            if watch.swallowed:
                _raise_again(frame, error, lines=1 + watch.swallowed % _FEW_LINES)
            raise error

    before = signal.signal(signal.SIGALRM, tick)
    delay, interval = signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, delay, interval)
        signal.signal(signal.SIGALRM, before)


def _raise_again(frame: FrameType | None, error: Stuck, lines: int) -> None:
    """Raise ``error`` once more, when so many lines have run after it was caught.

    The first such line is an except clause's, and no longer in the try that caught the error. In
    a try around that one it would be caught again: a later line may be outside of both.
    """

    def trace(running: FrameType, event: str, arg: object) -> Any:
        nonlocal lines
        if event == "call":
            return None
        if event == "line":
            lines -= 1
            if lines <= 0:
                raise error
        return trace

    # Set frame by frame as well: a frame that runs already does not look at sys.settrace.
    while frame is not None and frame.f_code not in BOUNDARY:
        frame.f_trace = trace
        frame = frame.f_back
    trace.__name__ = _CORNERED
    sys.settrace(trace)


_CORNERED = "raise_again"


def _stop_tracing() -> None:
    """Nothing may be traced once the error is out: the next world has its own tracing."""
    if getattr(sys.gettrace(), "__name__", "") == _CORNERED:
        sys.settrace(None)


@contextmanager
def _by_thread(watch: Watch) -> Iterator[None]:
    target = threading.get_ident()
    over = threading.Event()

    def body() -> None:
        while not over.is_set():
            real_sleep(_TICK)
            frame = sys._current_frames().get(target)
            if not over.is_set() and watch.due(frame):
                kind = _kind_of(watch.stuck(frame).problem)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(target), ctypes.py_object(kind)
                )

    is_ours(threading.Thread(target=body, name="watch", daemon=True)).start()
    try:
        yield
    finally:
        over.set()


def _kind_of(problem: Problem) -> type[Stuck]:
    """A thread can be sent an exception's type only, so the problem travels in the type."""

    class StuckHere(Stuck):
        def __init__(self) -> None:
            super().__init__(problem)

    return StuckHere


@contextmanager
def time_limit(
    seconds: float, ownership: Ownership, beat: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Raise `Stuck` if the block takes longer; for code outside worlds, such as an import.

    ``beat`` is called again and again, as long as Python runs at all.
    """
    with watched(Watch(seconds, beat, lambda: ownership)):
        yield
