"""Whose code is this? Detectors accuse only the code under study."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType

TRANSPARENT, STUDIED, OPAQUE = 0, 1, 2
"""Kinds of files: the standard library and this engine are looked through, studied code is what a
test is about, and libraries answer for what they do themselves."""

_HERE = str(Path(__file__).resolve().parent) + os.sep
_paths = sysconfig.get_paths()
_STDLIB = tuple({_paths["stdlib"] + os.sep, _paths["platstdlib"] + os.sep})
_PACKAGES = ("site-packages" + os.sep, "dist-packages" + os.sep)


def is_library(filename: str) -> bool:
    """True for the standard library, installed packages, this engine and generated code."""
    if filename.startswith("<") and not filename.startswith("<ipython"):
        return True
    return (
        filename.startswith(_HERE)
        or any(part in filename for part in _PACKAGES)
        or filename.startswith(_STDLIB)
    )


_ASYNCIO = _paths["stdlib"] + os.sep + "asyncio" + os.sep


def is_asyncio(filename: str) -> bool:
    """True for asyncio's own files."""
    return filename.startswith(_ASYNCIO)


def is_plain_code(filename: str) -> bool:
    """The default for what is studied: everything that is no library."""
    return not is_library(filename)


BOUNDARY: set[CodeType] = set()
"""Functions of this engine below which a world's frames begin: nothing further down the stack,
such as the script that started the exploration, is part of the world."""


class Ownership:
    """Answers, per file and with a cache, whether code is studied."""

    def __init__(self, studied: Callable[[str], bool] = is_plain_code) -> None:
        self.studied = studied
        self._kinds: dict[str, int] = {}

    def kind(self, filename: str) -> int:
        kind = self._kinds.get(filename)
        if kind is None:
            kind = self._kinds[filename] = self._classify(filename)
        return kind

    def _classify(self, filename: str) -> int:
        if filename.startswith(_HERE):
            return TRANSPARENT
        if self.studied(filename):
            return STUDIED
        if filename.startswith("<") and not filename.startswith("<ipython"):
            return TRANSPARENT
        if filename.startswith(_STDLIB) and not any(part in filename for part in _PACKAGES):
            return TRANSPARENT
        return OPAQUE

    def author(self, frame: FrameType | None) -> tuple[str, int] | None:
        """File and line of the studied code that does this, or None if a library does it.

        The standard library is looked through: ``asyncio.gather`` in studied code is studied.
        """
        while frame is not None:
            kind = self.kind(frame.f_code.co_filename)
            if kind == STUDIED:
                return frame.f_code.co_filename, frame.f_lineno
            if kind == OPAQUE or frame.f_code in BOUNDARY:
                return None
            frame = frame.f_back
        return None

    def nearest(self, frame: FrameType | None) -> FrameType | None:
        """The innermost studied frame, libraries in between or not."""
        while frame is not None:
            if self.kind(frame.f_code.co_filename) == STUDIED:
                return frame
            if frame.f_code in BOUNDARY:
                return None
            frame = frame.f_back
        return None

    def here(self) -> tuple[str, int] | None:
        """File and line of the innermost studied frame that is running now."""
        frame = self.nearest(sys._getframe(1))
        return (frame.f_code.co_filename, frame.f_lineno) if frame else None
