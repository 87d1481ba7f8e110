"""The real servers of a pytest session: started on first use, gone at its end.

Each process of pytest-xdist has Redis to itself, since Pub/Sub channels belong to a whole server;
the others, which take seconds to start, are shared by all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autograder import services
from autograder.services.catalogue import SERVERS
from autograder.services.requiring import answers

_OWN = {"redis"}


class Servers:
    """The servers that the tests of this process have asked for.

    shared: a folder that all processes of the session know; None if there is only one process.
    """

    def __init__(self, shared: Path | None) -> None:
        self._shared = shared
        self._here: dict[str, services.Service] = {}

    def get(self, name: str) -> services.Service:
        """A server of this kind that answers; the test is skipped if there can be none."""
        service = self._here.get(name)
        if service is not None and answers(SERVERS[name], service.address):
            return service
        if service is not None:  # a test has killed it
            self._here.pop(name).release()
        try:
            shared = None if name in _OWN else self._shared
            service = self._here[name] = services.require(name, shared=shared)
        except services.NotHere as missing:
            pytest.skip(str(missing))
        except services.Unusable as problem:
            pytest.fail(str(problem), pytrace=False)
        return service

    @contextmanager
    def namespace(self, name: str) -> Iterator[str]:
        """An address at which there is nothing yet, for one test."""
        service = self.get(name)
        try:
            lent = SERVERS[name].namespace(service)
            address = lent.__enter__()
        except services.Unusable as problem:
            pytest.fail(str(problem), pytrace=False)
        try:
            yield address
        finally:
            lent.__exit__(None, None, None)

    def release(self) -> None:
        """Let go of all of them."""
        while self._here:
            self._here.popitem()[1].release()
