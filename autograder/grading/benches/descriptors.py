"""How many sockets a process may have open."""

from __future__ import annotations

import sys
from pathlib import Path

_SPARE = 64
"""For what is open already, or will be."""
_MOST_OF_SELECT = 512
"""What Python's select() on Windows takes."""


def room_for(wanted: int, each: int = 1) -> int:
    """Return how many things, of ``each`` descriptors, may be open: ``wanted`` or fewer.

    Raises this process's own limit if it has to and may.
    """
    if sys.platform == "win32":
        return min(wanted, (_MOST_OF_SELECT - _SPARE) // each)
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = _SPARE + _open_now()
    needed = wanted * each + taken
    if needed > soft != resource.RLIM_INFINITY:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        except (ValueError, OSError):
            soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, (soft - taken) // each))


def _open_now() -> int:
    try:
        return sum(1 for _ in Path("/dev/fd").iterdir())
    except OSError:
        return 0
