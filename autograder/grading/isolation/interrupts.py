"""Ctrl-C waits where it would lose sight of a child that is just being started or ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def postponed() -> Iterator[None]:
    """Ctrl-C, or a polite request to end, is obeyed when this is over.

    Between the start of a process and the line that keeps it, `KeyboardInterrupt` would leave a
    process that nobody knows. Only the main thread is ever interrupted: elsewhere this does
    nothing, nor where a handler was not set by Python.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    mine = [number for number in _NUMBERS if callable(before[number])]
    for number in mine:
        signal.signal(number, lambda *call: came.append(call))
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, before[number])
        if came:
            first, frame = came[0]
            handler = before[signal.Signals(first)]
            assert callable(handler)
            handler(first, frame)
