"""How long a grader waits, in real time, for what a Kafka client does."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE, IN_TIME = 5.0, 7.5
"""Seconds for what right code does in tenths of one; and for what may take five, by the brief."""
LITTLE, _LEAST = 1.5, 0.75
"""Seconds for code that has kept a grader waiting for nothing before; and for code that often has.
"""
_OURS = 10.0
"""Seconds for what the grader's own clients do."""
_STEP = 0.004
_LATE = 5 * _STEP
"""Seconds: a step that took longer came late, as the machine was busy. It counts for no more."""
_AT_MOST = 4
"""So many times longer, whoever is late."""
_in_vain: Counter[object] = Counter()


class Waiting:
    """Waits for what a learner's code does.

    Args:
        studied: a function of it; tells which file it is, and which version.
        slowness: so many times longer than elsewhere everything may take here.
    """

    def __init__(self, studied: Any, slowness: float = 1.0) -> None:
        self._version = _version(studied)
        self._slowness = slowness

    async def until(
        self,
        condition: Callable[[], Any],
        check: Callable[[], object],
        *,
        ours: bool = False,
        seconds: float | None = None,
        patience: float = PATIENCE,
    ) -> bool:
        """Wait until something is true, which may have to be awaited: whether it is.

        ``check`` is called again and again, and may raise. ``ours``: it is not up to what is
        studied, and comes. ``seconds``: how long, where nothing is concluded if it is false then.
        ``patience``: how long at first, where it is.
        """
        if seconds is not None:
            ours = True
        else:
            seconds = self._slowness * (_OURS if ours else self._patience(patience))
        loop = asyncio.get_running_loop()
        waited, began = 0.0, loop.time()
        last = began
        while True:
            answer = condition()
            if inspect.isawaitable(answer):
                answer = await answer
            if answer:
                return True
            now = loop.time()
            waited, last = waited + min(now - last, _LATE), now
            if waited >= seconds or now - began >= _AT_MOST * seconds:
                if not ours:
                    _in_vain[self._version] += 1
                return False
            check()
            await asyncio.sleep(_STEP)

    def shorter(self, seconds: float) -> float:
        """So many seconds; a fifth of it for code that has kept a grader waiting for nothing."""
        return seconds / 5 if _in_vain[self._version] else seconds

    def _patience(self, first: float) -> float:
        times = _in_vain[self._version]
        return max(_LEAST, LITTLE / times) if times else first


def _version(studied: Any) -> object:
    try:
        path = Path(inspect.getfile(studied))
        stat = path.stat()
    except (TypeError, OSError):
        return None
    return (path, stat.st_mtime_ns, stat.st_size)
