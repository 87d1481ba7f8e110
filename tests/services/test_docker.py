"""Servers from `compose.yaml`: what is in the file, and how it is used."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder.services import docker, kafka, requiring
from autograder.services.catalogue import SERVERS

from .fakes import PROGRAM, answers, fake

yaml = pytest.importorskip("yaml")
COMPOSE: dict[str, Any] = yaml.safe_load(docker.COMPOSE_FILE.read_text("utf-8"))["services"]
each = pytest.mark.parametrize("name", COMPOSE)


def test_it_has_every_kind_of_server() -> None:
    """By the names that `course services` has for them."""
    assert set(COMPOSE) == set(SERVERS)


@each
def test_the_image_is_pinned(name: str) -> None:
    """The same server next year."""
    tag = COMPOSE[name]["image"].rpartition(":")[2]
    assert tag[0].isdigit()
    assert "." in tag


def test_kafka_is_the_same_as_from_maven() -> None:
    """One version, whichever way it comes."""
    assert COMPOSE["kafka"]["image"] == f"apache/kafka:{kafka.VERSION}"


@each
def test_it_listens_on_this_machine_only(name: str) -> None:
    """On its default port, unless the environment names another."""
    ports = COMPOSE[name]["ports"]
    assert all(port.startswith("127.0.0.1:${COURSE_") for port in ports)
    assert f"127.0.0.1:${{COURSE_{name.upper()}_PORT:-{SERVERS[name].port}}}:" in ports[0]


@each
def test_it_says_when_it_is_ready(name: str) -> None:
    """For `docker compose up --wait`."""
    assert COMPOSE[name]["healthcheck"]["test"][0] == "CMD"


DOCKER = f"""#!{sys.executable}
import os, pathlib, sys
words = sys.argv[1:]
with pathlib.Path(os.environ["NOTES"]).open("a") as notes:
    print(*words, file=notes)
if "up" in words:
    os.execv(sys.executable, ["python", {str(PROGRAM)!r}, os.environ["COURSE_FAKE_PORT"]])
"""


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What a docker was asked that is none: it runs the fake in the place of a container."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    docker.here.cache_clear()
    yield tmp_path / "notes"
    docker.here.cache_clear()


@pytest.mark.skipif(os.name != "posix", reason="a script with #!")
def test_a_container_is_started_and_removed(notes: Path) -> None:
    """It gets a port of its own; afterwards nothing of the project is left."""
    server = fake(docker.container("fake"))
    service, _ = requiring.start(server)
    assert service.provider == "Docker"
    assert answers(service.address)
    service.release()
    assert not answers(service.address)
    *_, up, down = notes.read_text().splitlines()
    project = up.split()[up.split().index("--project-name") + 1]
    compose = f"compose --file {docker.COMPOSE_FILE} --project-name {project}"
    assert up == f"{compose} up --abort-on-container-exit fake"
    assert down == f"{compose} down --volumes --timeout 2"


@pytest.mark.skipif(os.name != "posix", reason="a script with #!")
def test_a_docker_that_does_not_run_is_no_way(notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program alone is not enough."""
    assert docker.here()
    docker.here.cache_clear()
    monkeypatch.delenv("NOTES")  # now it fails at everything
    assert not docker.here()
