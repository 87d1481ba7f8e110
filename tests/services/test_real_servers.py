"""Each kind of server that this machine can have starts, answers, and is gone afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.services import leases, looking
from autograder.services.catalogue import SERVERS
from autograder.services.keeping import down, standing, up
from autograder.services.model import NoAnswer, Server
from autograder.services.requiring import missing, start

from .conftest import Stranger
from .processes import PROC, at_work_below, listening

each = pytest.mark.parametrize("server", SERVERS.values(), ids=list(SERVERS))


@each
def test_there_is_a_sentence_for_who_has_none(server: Server) -> None:
    """It names the variable, and Docker."""
    assert server.variable in missing(server)
    assert "Docker" in missing(server)


@each
@pytest.mark.parametrize("where", ["nonsense", "redis://127.0.0.1:99999/", ""])
def test_nonsense_is_no_address(server: Server, where: str) -> None:
    """A wrong address gets an answer that is a sentence, whatever the client makes of it."""
    for package in server.clients:
        pytest.importorskip(package)
    with pytest.raises(NoAnswer):
        server.ping(where)


@each
@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", None])
def test_something_else_is_no_answer(
    server: Server, greeting: bytes | None, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something that hangs up, talks nonsense or is silent is not taken for a server."""
    for package in server.clients:
        pytest.importorskip(package)
    monkeypatch.setattr(looking, "PATIENCE", 0.5)
    with pytest.raises(NoAnswer) as refused:
        server.ping(server.address(stranger(greeting)))
    assert str(refused.value)


@pytest.mark.live
@each
def test_it_starts_and_ends(startable: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers on this machine only, lends a namespace, and is gone when it is released."""
    folders: list[Path] = []
    scratch = leases.scratch

    def noted(name: str) -> Path:
        folders.append(scratch(name))
        return folders[-1]

    monkeypatch.setattr(leases, "scratch", noted)
    service, _ = start(startable)
    with service, startable.namespace(service) as namespace:
        startable.ping(namespace.address)
        if PROC.exists():
            ports = {where for pid in at_work_below(folders[-1]) for where in listening(pid)}
            assert ports
            assert ports <= {"127.0.0.1", "::1"}
    with pytest.raises(NoAnswer):
        startable.ping(service.address)
    assert not folders[-1].exists()
    if PROC.exists():
        assert not at_work_below(folders[-1])


@pytest.mark.live
@each
def test_it_can_be_left_running(startable: Server, tmp_path: Path) -> None:
    """`up` leaves it running and `down` ends it."""
    service, is_new = up(startable, tmp_path)
    if not is_new:
        pytest.skip(f"{service.title} runs on this machine already: {service.provider}")
    assert standing(startable, tmp_path).address == service.address
    assert down(startable, tmp_path) == "stopped"
    with pytest.raises(NoAnswer):
        startable.ping(service.address)
