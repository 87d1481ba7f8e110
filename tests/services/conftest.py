"""What the tests of servers share."""

from __future__ import annotations

import pytest

from autograder import services
from autograder.services.model import Server
from autograder.services.requiring import check_clients, missing


@pytest.fixture
def startable(server: Server) -> Server:
    """The server that the test is about, if this machine can start it."""
    try:
        check_clients(server)
    except services.NotHere as needed:
        pytest.skip(str(needed))
    if not any(way.here() for way in server.ways):
        pytest.skip(missing(server))
    return server
