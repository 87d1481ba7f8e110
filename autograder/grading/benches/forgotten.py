"""Connections that nobody has closed, and that Python's garbage collector has found."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def forgotten_connections() -> Iterator[list[str]]:
    """What Python says, while the block runs, of connections that are gone and were never closed.

    When the collector comes is anybody's guess, and on another Python it comes later.
    """
    found: list[str] = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ResourceWarning)
        yield found
    found += [str(one.message) for one in said if "onnection" in str(one.message)]


def assert_none_forgotten(found: list[str], said: str) -> None:
    """``found`` by `forgotten_connections`; ``said`` is what has happened."""
    assert not found, (
        f"{said}, and {len(found)} of its connections had not been closed: Python's garbage "
        "collector has done that, and says so by a ResourceWarning. It may come much later, too"
    )
