"""Each kind of server that this machine can have starts, answers, and is gone afterwards."""

from __future__ import annotations

import contextlib
import ipaddress
from pathlib import Path

import pytest

from autograder import services
from autograder.services import leases
from autograder.services.catalogue import SERVERS
from autograder.services.keeping import down, standing, up
from autograder.services.model import NoAnswer, Server
from autograder.services.requiring import check_clients, missing, start

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


@pytest.fixture
def startable(server: Server) -> Server:
    try:
        check_clients(server)
    except services.NotHere as needed:
        pytest.skip(str(needed))
    if not any(way.here() for way in server.ways):
        pytest.skip(missing(server))
    return server


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
            assert {address for pid in at_work_in(folders[-1]) for address in listening(pid)} <= {
                "127.0.0.1",
                "::1",
            }
    with pytest.raises(NoAnswer):
        startable.ping(service.address)
    assert not folders[-1].exists()
    assert not at_work_in(folders[-1])


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


PROC = Path("/proc/net/tcp")  # Linux shows there who listens where


def at_work_in(folder: Path) -> list[int]:
    """The processes whose current folder is this one or below it."""
    found = []
    for process in PROC.parents[1].glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.joinpath("cwd").readlink().is_relative_to(folder):
                found.append(int(process.name))
    return found


def listening(pid: int) -> set[str]:
    """The addresses on which a process listens."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):
            sockets.add(str(descriptor.readlink()))
    found = set()
    for line in [
        *PROC.read_text().splitlines()[1:],
        *Path("/proc/net/tcp6").read_text().splitlines()[1:],
    ]:
        _, local, _, state, *_, inode = line.split()[:10]
        if state == "0A" and f"socket:[{inode}]" in sockets:
            words = bytes.fromhex(local.partition(":")[0])
            ordered = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
            address = ipaddress.ip_address(ordered)
            found.add(str(getattr(address, "ipv4_mapped", None) or address))
    return found
