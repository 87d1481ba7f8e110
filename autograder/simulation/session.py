"""Everything that is replaced while worlds run, put in place together and put back together."""

from __future__ import annotations

import gc
import io
import logging
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

from . import (
    clock,
    conditions,
    detectors,
    executors,
    locks,
    ordering,
    refusals,
    sqlite,
    waiting_for,
)
from .current import here, world_on_loop_thread
from .limits import Watch, watched
from .ownership import Ownership
from .patches import Patches
from .problems import Refused

_MOST_OUTPUT = 50_000


class Output(io.TextIOBase):
    """Keeps the first part of what is printed, and counts the rest."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        room = _MOST_OUTPUT - self._length
        if room > 0:
            self._parts.append(text[:room])
        self._length += len(text)
        return len(text)

    def text(self) -> str:
        shown = "".join(self._parts)
        more = self._length - len(shown)
        return f"{shown}\n… and {more:,} characters more" if more > 0 else shown


class Session:
    """The time during which worlds run. Not nested: an inner one joins the outer one."""

    def __init__(self, ownership: Ownership, wall: float, debug: bool) -> None:
        self.ownership = ownership
        self.debug = debug
        self.worlds = 0
        self.interrupted = False
        self.watch = Watch(wall, self._progress, lambda: ownership)
        self.watch.suspended = debug

    def _progress(self) -> object:
        world = here.world
        if world is not None and world.workers is not None and world.workers.awaited:
            return object()  # the loop waits for a worker thread: that is no lack of progress
        return (self.worlds, world.loop.steps if world else -1)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = True
        raise KeyboardInterrupt


_active: Session | None = None


@contextmanager
def session(ownership: Ownership, *, wall: float = 1.0, debug: bool = False) -> Iterator[Session]:
    """Install clocks, refusals, wrappers and limits; take them away again at the end."""
    global _active
    if here.world is not None:
        raise Refused("This code already runs in a simulated world: it cannot start others.")
    if _active is not None and _active.ownership is ownership:
        yield _active
        return
    outer, _active = _active, Session(ownership, wall, debug)
    try:
        with ExitStack() as stack:
            if outer is None:
                _install(stack, _active)
            if not debug:
                stack.enter_context(watched(_active.watch))
            yield _active
    finally:
        _active = outer


def _install(stack: ExitStack, new: Session) -> None:
    patches = Patches()
    stack.callback(patches.restore)
    _catch_interrupts(stack, new)
    _silence_warnings(stack)
    if not new.debug:
        _silence_loggers(stack)
    clock.install(patches)
    refusals.install(patches)
    detectors.install(patches, world_on_loop_thread)
    sqlite.install(patches)
    conditions.install(patches)
    executors.install(patches)
    waiting_for.install(patches)
    ordering.install(patches)
    _suspend_at_breakpoints(patches)
    locks.install(world_on_loop_thread)
    stack.callback(locks.uninstall)
    stack.callback(sys.set_coroutine_origin_tracking_depth, detectors.track_origins())
    stack.callback(random.setstate, random.getstate())
    _hold_garbage(stack)


def _silence_warnings(stack: ExitStack) -> None:
    """A warning is no verdict: where warnings are errors, one would end a world at random, such as
    when an unclosed session is collected. What matters is a detector's or a test's to say."""
    stack.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")


_TALKATIVE = ("aiormq", "aio_pika")


def _silence_loggers(stack: ExitStack) -> None:
    """Libraries that log every lost connection would fill what is shown of a world in which
    connections are meant to be lost. Whatever matters of it is in the timeline."""
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        stack.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.CRITICAL + 1)


def _hold_garbage(stack: ExitStack) -> None:
    """Collect only between worlds: a collection in the middle would finalise things at a step
    that depends on what else the process has done. What exists already is left out of it."""
    enabled = gc.isenabled()
    gc.freeze()
    gc.disable()
    stack.callback(gc.unfreeze)
    # What the last world left behind, before everything else is counted in again.
    stack.callback(gc.collect)
    if enabled:
        stack.callback(gc.enable)


def _catch_interrupts(stack: ExitStack, new: Session) -> None:
    """Tell a Ctrl-C from a KeyboardInterrupt that the code under study raises."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before = signal.signal(signal.SIGINT, new._on_interrupt)
        stack.callback(signal.signal, signal.SIGINT, before)


def _suspend_at_breakpoints(patches: Patches) -> None:
    """breakpoint() in studied code shows the terminal again and suspends the limits."""

    def stop_here(*args: Any, **kwargs: Any) -> Any:
        if _active is not None:
            _active.watch.suspended = True
        world = here.world
        if world is not None:
            world.loop.max_steps = world.loop.max_busy = sys.maxsize
            world.debug = True
        if isinstance(sys.stdout, Output):
            sys.stdout, sys.stderr = _real_streams
        return original(*args, **kwargs)

    original: Callable[..., Any] = patches.put(sys, "breakpointhook", stop_here)


_real_streams: tuple[Any, Any] = (None, None)


@contextmanager
def captured(wanted: bool) -> Iterator[Output]:
    """Keep what the block prints to itself."""
    global _real_streams
    output = Output()
    if not wanted or isinstance(sys.stdout, Output):
        yield output
        return
    _real_streams = (sys.stdout, sys.stderr)
    sys.stdout = sys.stderr = output
    try:
        yield output
    finally:
        sys.stdout, sys.stderr = _real_streams
