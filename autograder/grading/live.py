"""Fixtures that lend a test a real server, with nothing on it but what the test puts there.

The plugin brings them to every run of pytest, so that what does the work is imported late.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .servers import Servers


@pytest.fixture(scope="session")
def live_servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Servers]:
    """The real servers of this session: `live_servers.get("redis").address`."""
    from .servers import Servers

    is_worker = hasattr(request.config, "workerinput")
    shared = tmp_path_factory.getbasetemp().parent / "servers" if is_worker else None
    held = Servers(shared)
    try:
        yield held
    finally:
        held.release()


@pytest.fixture
def redis_url(live_servers: Servers) -> Iterator[str]:
    """The address of an empty database of a real Redis or Valkey: "redis://127.0.0.1:6379/7".

    Pub/Sub channels belong to the whole server. The test is skipped if there can be none.
    """
    with live_servers.namespace("redis") as address:
        yield address


@pytest.fixture
def amqp_url(live_servers: Servers) -> Iterator[str]:
    """The address of a new virtual host of a real RabbitMQ, deleted after the test.

    "amqp://guest:guest@127.0.0.1:5672/course_1f3870be274f". The test is skipped if there can be
    none.
    """
    with live_servers.namespace("rabbitmq") as address:
        yield address
