"""Which world runs on this thread, if any."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .workers import Worker
    from .world import World


class _Here(threading.local):
    world: World | None = None
    worker: Worker | None = None


class Process:
    """What runs on one host, and can be killed as a whole; a new one begins where one was killed.

    Compared by identity: two processes of one host are not the same.

    Attributes:
        ahead: seconds by which its machine's monotonic clock is ahead of the world's.
    """

    __slots__ = ("ahead", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.ahead = 0.0


current_process: contextvars.ContextVar[Process | None] = contextvars.ContextVar(
    "process", default=None
)
"""The process that the running code belongs to; None for the test itself."""


here = _Here()
"""``here.world`` is the world this thread runs; ``here.worker`` is set on its worker threads."""


def world_on_loop_thread() -> World | None:
    """The world whose event loop this very thread runs; None outside and on worker threads."""
    return here.world if here.worker is None else None
