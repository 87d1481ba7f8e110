"""Which world runs on this thread, if any."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .workers import Worker
    from .world import World


class _Here(threading.local):
    world: World | None = None
    worker: Worker | None = None


here = _Here()
"""``here.world`` is the world this thread runs; ``here.worker`` is set on its worker threads."""


def world_on_loop_thread() -> World | None:
    """The world whose event loop this very thread runs; None outside and on worker threads."""
    return here.world if here.worker is None else None
