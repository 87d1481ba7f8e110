"""Fixtures that lend a test a real server, with nothing on it but what the test puts there.

A server that this machine cannot have is a skip that says how to get it.

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

    Pub/Sub channels belong to the whole server, not to one of its databases.
    """
    with live_servers.namespace("redis") as database:
        yield database.address


@pytest.fixture
def amqp_url(live_servers: Servers) -> Iterator[str]:
    """The address of a new virtual host of a real RabbitMQ, deleted after the test.

    "amqp://guest:guest@127.0.0.1:5672/course_1f3870be274f"
    """
    with live_servers.namespace("rabbitmq") as virtual_host:
        yield virtual_host.address


@pytest.fixture
def kafka_bootstrap(live_servers: Servers) -> str:
    """The bootstrap servers of a real Kafka: "127.0.0.1:9092". Name topics with `kafka_prefix`."""
    return live_servers.get("kafka").address


@pytest.fixture
def kafka_prefix(live_servers: Servers) -> Iterator[str]:
    """A beginning for the names of topics and groups, which are deleted after the test."""
    with live_servers.namespace("kafka") as prefix:
        yield prefix.name


@pytest.fixture
def database_url(live_servers: Servers) -> Iterator[str]:
    """The address of a new database of a real PostgreSQL, dropped after the test.

    "postgresql://postgres:postgres@127.0.0.1:5432/course_1f3870be274f"
    """
    with live_servers.namespace("postgres") as database:
        yield database.address


@pytest.fixture
def temporal_address(live_servers: Servers) -> str:
    """The address of a real Temporal: "127.0.0.1:7233". Connect with `temporal_namespace`."""
    return live_servers.get("temporal").address


@pytest.fixture
def temporal_namespace(live_servers: Servers) -> Iterator[str]:
    """The name of a new namespace of a real Temporal, deleted after the test."""
    with live_servers.namespace("temporal") as namespace:
        yield namespace.name
