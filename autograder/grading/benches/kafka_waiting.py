"""How long a grader waits, in real time, for what a Kafka client does."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE, LITTLE = 10.0, 1.5
"""Seconds of real time for what right code does in tenths of one; and for code that has kept a
grader waiting for nothing before."""
_STEP = 0.004
_in_vain: set[object] = set()


class Waiting:
    """Waits for what a learner's code does.

    Args:
        studied: a function of it; tells which file it is, and which version.
    """

    def __init__(self, studied: Any) -> None:
        self._version = _version(studied)

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
            seconds = LITTLE if self._version in _in_vain and not ours else patience
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            answer = condition()
            if inspect.isawaitable(answer):
                answer = await answer
            if answer:
                return True
            if loop.time() >= end:
                if not ours:
                    _in_vain.add(self._version)
                return False
            check()
            await asyncio.sleep(_STEP)


def _version(studied: Any) -> object:
    try:
        path = Path(inspect.getfile(studied))
        stat = path.stat()
    except (TypeError, OSError):
        return None
    return (path, stat.st_mtime_ns, stat.st_size)
