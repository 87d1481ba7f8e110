"""Grades what a learner wrote: a pytest plugin, and how its failures read.

Names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .mistakes import UnknownMistake, mistake

__all__ = ["UnknownMistake", "mistake"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import mistakes

    globals()[name] = value = getattr(mistakes, name)
    return value
