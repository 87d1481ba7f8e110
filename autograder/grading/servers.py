"""The real servers of a pytest session: started on first use, gone at its end.

Each process of pytest-xdist has Redis to itself, since Pub/Sub channels belong to a whole server;
the others, which take seconds to start, are shared by all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from autograder import services
from autograder.services.catalogue import SERVERS
from autograder.services.model import Namespace, NoAnswer

_OWN = {"redis"}


class Servers:
    """The servers that the tests of this process have asked for.

    shared: a folder that all processes of the session know; None if there is only one process.
    """

    def __init__(self, shared: Path | None) -> None:
        self._shared = shared
        self._here: dict[str, services.Service] = {}
        self._problems: dict[str, services.ServiceError] = {}

    def get(self, name: str) -> services.Service:
        """A server of this kind that answers; the test is skipped if there can be none."""
        service = self._here.get(name)
        if service is not None:
            try:
                SERVERS[name].ping(service.address)
                return service
            except NoAnswer:  # a test has killed it
                self._here.pop(name).release()
        if name not in self._problems:
            shared = None if name in _OWN else self._shared
            try:
                service = services.require(name, shared=shared, namespaces=True)
            except services.ServiceError as error:
                self._problems[name] = error  # the next test need not wait for it again
            else:
                self._here[name] = service
                return service
        problem = self._problems[name]
        if isinstance(problem, services.NotHere):
            pytest.skip(str(problem))
        pytest.fail(str(problem), pytrace=False)

    @contextmanager
    def namespace(self, name: str) -> Iterator[Namespace]:
        """A part of a server in which there is nothing yet, for one test."""
        with ExitStack() as stack:
            try:
                lent = stack.enter_context(SERVERS[name].namespace(self.get(name)))
            except services.Unusable as problem:
                pytest.fail(str(problem), pytrace=False)
            yield lent

    def release(self) -> None:
        """Let go of all of them."""
        while self._here:
            self._here.popitem()[1].release()
