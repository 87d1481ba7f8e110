"""How long graders with real sockets wait for something that does not come."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

SILENCE = 0.02
"""Seconds for which a selector is asked to wait at most, when there is nothing to do."""
_PATIENT, _IMPATIENT = 35, 4
_failed: set[object] = set()


class Patience:
    """Counts silent steps, of `SILENCE` seconds each, until nothing is expected any more.

    Most of a second at first. Once that was in vain, much less for the same version of the same
    file: what did not come then will not come the next time either. It counts steps and not
    seconds, because the machine may have been busy with something else.

    Args:
        studied: a class or function of the code under study; tells which file it is.
    """

    def __init__(self, studied: Any) -> None:
        self._version = _version(studied)
        self._silent = 0

    def begin(self) -> None:
        """A new wait."""
        self._silent = 0

    def ends(self, moved: bool) -> bool:
        """Count a step, in which something moved or not; True when it was one too many."""
        self._silent = 0 if moved else self._silent + 1
        hurried = self._version is not None and self._version in _failed
        return self._silent > (_IMPATIENT if hurried else _PATIENT)

    def in_vain(self) -> bool:
        """Remember that a wait was in vain; always False, for ``return``."""
        if self._version is not None:
            _failed.add(self._version)
        return False


def _version(studied: Any) -> object:
    try:
        path = Path(inspect.getfile(studied))
        stat = path.stat()
    except (TypeError, OSError):
        return None
    return (path, stat.st_mtime_ns, stat.st_size)
