"""Values as text for a reader."""

from __future__ import annotations

import re
import reprlib

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 200


def shown(value: object) -> str:
    """A value as Python writes it, but short, and without memory addresses.

    A ``__repr__`` that fails does no harm.
    """
    return _ADDRESS.sub("", _short.repr(value))
