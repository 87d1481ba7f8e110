"""What is lent is ours alone, and what belongs to others is never touched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from autograder import services
from autograder.services import looking, postgres, rabbitmq
from autograder.services.catalogue import SERVERS
from autograder.services.model import NoAnswer, Service
from autograder.services.redis import namespace
from autograder.services.requiring import start

NOTES = "course:services:databases"


@pytest.fixture
def server() -> Iterator[Service]:
    """A Redis that only this test uses."""
    try:
        service, _ = start(SERVERS["redis"])
    except services.NotHere as missing:
        pytest.skip(str(missing))
    with service:
        yield service


@contextlib.contextmanager
def client(where: str) -> Iterator[Any]:
    with contextlib.closing(redis.Redis.from_url(where)) as connected:
        yield connected


@pytest.mark.live
def test_a_database_with_something_in_it_is_passed_over(server: Service) -> None:
    """Somebody's data is not ours to remove."""
    theirs = server.address.removesuffix("0") + "1"
    with client(theirs) as owner:
        owner.set("precious", "data")
        for _ in range(3):
            with namespace(server) as lent:
                assert lent.address != theirs
        assert owner.get("precious") == b"data"


@pytest.mark.live
def test_two_at_a_time_have_two_databases(server: Service) -> None:
    """And each is empty again afterwards."""
    with namespace(server) as first, namespace(server) as second:
        assert first != second
        for lent in (first, second):
            with client(lent.address) as user:
                user.set("some", "thing")
    for lent in (first, second):
        with client(lent.address) as user:
            assert user.dbsize() == 0
    with client(server.address) as user:
        assert user.keys() == []


@pytest.mark.live
def test_what_a_killed_test_left_is_cleared_away(server: Service) -> None:
    """Its database is ours: noted as such, and the note has expired."""
    with client(server.address.removesuffix("0") + "1") as killed:
        killed.set("left", "over")
    with client(server.address) as user:
        user.hset(NOTES, "1", "1 course_of_long_ago")
    with namespace(server) as lent, client(lent.address) as user:
        assert lent.name == "1"
        assert user.dbsize() == 0


@pytest.mark.live
def test_a_full_server_is_said(server: Service) -> None:
    """One sentence, with what to do."""
    for number in range(1, 64):
        with client(server.address.removesuffix("0") + str(number)) as user:
            user.set("precious", "data")
    with pytest.raises(services.Unusable, match="no empty database for a test"), namespace(server):
        pass


def test_a_rabbitmq_without_its_management_api_is_said() -> None:
    """One sentence, with what to do."""
    api = f"http://127.0.0.1:{looking.free_port()}"
    alone = Service(
        "rabbitmq", "RabbitMQ", rabbitmq.address(5672), "port 5672", {"management": api}
    )
    with (
        pytest.raises(services.Unusable, match="rabbitmq-plugins enable rabbitmq_management"),
        rabbitmq.namespace(alone),
    ):
        pass


@pytest.mark.live
@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [("rabbitmq", "guest:guest", "guest:guessed"), ("postgres", ":postgres@", ":guessed@")],
)
def test_a_wrong_password_is_no_answer(
    live_servers: Any, name: str, right: str, wrong: str
) -> None:
    """Something listens there, and does not let us in."""
    address = live_servers.get(name).address
    with pytest.raises(NoAnswer):
        SERVERS[name].ping(address.replace(right, wrong))


@pytest.mark.live
def test_who_may_make_no_database_is_told(live_servers: Any) -> None:
    """One sentence from PostgreSQL, and where."""
    server = live_servers.get("postgres")
    role = looking.unique("poor")
    postgres._tell(server.address, f"CREATE ROLE {role} LOGIN PASSWORD 'postgres'")
    try:
        poor = Service(
            "postgres", "PostgreSQL", server.address.replace("//postgres:", f"//{role}:"), "here"
        )
        with (
            pytest.raises(services.Unusable, match=rf"//{role}:\.\.\.@.*permission denied"),
            postgres.namespace(poor),
        ):
            pass
    finally:
        postgres._tell(server.address, f"DROP ROLE {role}")
