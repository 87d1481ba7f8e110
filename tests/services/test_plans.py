"""How each server is started: the plan is data, and can be looked at without starting anything."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.services import kafka, looking, postgres, rabbitmq, redis, requiring, temporal
from autograder.services.catalogue import SERVERS
from autograder.services.model import Plan, Way

FOLDER = Path("/scratch")


def plans() -> dict[str, Plan]:
    """One for each server, with programs that need not exist."""
    return {
        "redis": redis.plan("valkey-server", 1111, FOLDER),
        "rabbitmq": rabbitmq.plan("rabbitmq-server", "epmd", 1111, FOLDER),
        "kafka": kafka.plan("java", "mvn", 1111, FOLDER),
        "postgres": postgres.plan(Path("/programs/bin"), 1111, FOLDER),
        "temporal": temporal.plan("temporal", 1111, FOLDER),
    }


@pytest.mark.parametrize("name", SERVERS)
def test_it_has_its_port_and_knows_no_other_address(name: str) -> None:
    """The port is told, and every address in the plan is this machine's."""
    plan = plans()[name]
    words = [*plan.files.values(), *plan.env.values()]
    words += [word for step in plan.steps for word in step.argv]
    text = " ".join(words)
    assert "1111" in text
    assert set(re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text)) <= {"127.0.0.1"}


def test_kafka_is_fetched_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Maven is asked only while the jar files are not there; half of them never are."""
    monkeypatch.setattr(looking, "cache_folder", lambda: tmp_path)
    fetch, take, *rest = kafka.plan("java", "mvn", 1111, FOLDER).steps
    assert fetch.argv[0] == "mvn"
    fetched = next(word for word in fetch.argv if word.startswith("-DoutputDirectory="))
    assert take.argv[-2:] == [fetched.partition("=")[2], str(kafka.jar_folder())]
    kafka.jar_folder().mkdir()
    assert [step.argv[-1] for step in kafka.plan("java", "mvn", 1111, FOLDER).steps] == [
        step.argv[-1] for step in rest
    ]


def test_rabbitmq_has_an_epmd_that_ends_with_it() -> None:
    """It runs in the foreground, and before the node, which would start a daemon otherwise."""
    names, node = rabbitmq.plan("rabbitmq-server", "epmd", 1111, FOLDER).steps
    assert names.stays
    assert "-daemon" not in names.argv
    assert str(names.port) in names.argv
    assert node.argv == ["rabbitmq-server"]


@pytest.mark.live
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="for root only")
def test_postgres_runs_although_we_are_root_and_its_programs_are_private(tmp_path: Path) -> None:
    """As in a virtual environment below /root: PostgreSQL refuses root, and others see nothing."""
    found = postgres._wheel()
    if found is None:
        pytest.skip("pgserver is not here")
    programs, parts = found
    copies = [Path(shutil.copytree(part, tmp_path / part.name)) for part in parts]
    private = tmp_path / programs.relative_to(parts[0].parent)
    assert not looking.is_public(private)
    way = Way("a copy", lambda: True, lambda *where: postgres.plan(private, *where, copies))
    server = replace(SERVERS["postgres"], ways=(way,))
    service, _ = requiring.start(server)
    with service:
        server.ping(service.address)
