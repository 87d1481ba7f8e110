"""Which server `require` takes, and what it says when there is none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from autograder import services
from autograder.services import catalogue, leases, looking, records, requiring
from autograder.services.keeping import down, standing, up
from autograder.services.leases import Control
from autograder.services.model import NoAnswer, Server, Service
from autograder.services.records import Record

from .conftest import Stranger
from .fakes import answers, eventually, fake, ping, way

Known = Callable[[Server], Server]


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Known:
    """Puts a fake into the catalogue, with nothing in the environment and no record."""
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    (tmp_path / "exercises").mkdir()
    (tmp_path / "lessons").mkdir()
    monkeypatch.delenv("FAKE_URL", raising=False)

    def know(server: Server) -> Server:
        monkeypatch.setitem(catalogue.SERVERS, "fake", server)
        return server

    return know


@pytest.fixture
def state(known: Known) -> Path:
    """Where the records of this test are."""
    return records.state_folder()


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a fake that somebody else has started."""
    service, lease = requiring.start(fake(way()))
    yield service.address
    lease.release()


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def test_the_environment_comes_first(
    known: Known, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address there is used although one could be started."""
    known(fake(way()))
    monkeypatch.setenv("FAKE_URL", elsewhere)
    with services.require("fake") as service:
        assert (service.address, service.provider) == (elsewhere, "FAKE_URL")
    assert answers(elsewhere)


def test_a_wrong_address_in_the_environment_is_an_error(
    known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other server is taken silently; the sentence says what to do. No password is shown."""
    known(fake(way()))
    port = looking.free_port()
    with pytest.raises(NoAnswer) as reason:
        ping(f":{port}")
    monkeypatch.setenv("FAKE_URL", f"fake://me:secret@127.0.0.1:{port}")
    with pytest.raises(services.Unusable) as refused:
        services.require("fake")
    assert str(refused.value) == (
        f"FAKE_URL is fake://me:...@127.0.0.1:{port}, and no Fake answers there ({reason.value}). "
        "Start it, correct the address, or unset FAKE_URL: then the course looks for one itself."
    )


def test_one_that_was_started_earlier_is_used(known: Known, state: Path) -> None:
    """What `up` has started is taken, and goes on afterwards, until `down`."""
    server = known(fake(way()))
    started, is_new = up(server, state)
    assert (is_new, started.address) == (True, server.address(server.port))
    with services.require("fake") as service:
        assert service == started
    assert up(server, state) == (started, False)
    assert standing(server, state).state == "runs"
    assert down(server, state) == "stopped"
    assert not answers(started.address)
    assert down(server, state) == "not running"


def test_one_on_the_default_port_is_used(known: Known, state: Path, elsewhere: str) -> None:
    """It is somebody's: it goes on, and `down` leaves it alone."""
    server = known(replace(fake(way()), port=port_of(elsewhere)))
    with services.require("fake") as service:
        assert (service.address, service.provider) == (elsewhere, f"port {server.port}")
    assert "left alone" in down(server, state)
    assert answers(elsewhere)


def test_one_that_lends_no_namespace_is_no_use_to_tests(known: Known, elsewhere: str) -> None:
    """A program may have it; for tests another one is looked for, and the sentence says why."""
    known(replace(fake(namespaces=False), port=port_of(elsewhere)))
    assert services.require("fake").address == elsewhere
    with pytest.raises(services.NotHere) as missing:
        services.require("fake", namespaces=True)
    assert str(missing.value).splitlines() == [
        f"{elsewhere} is all mine",
        "Fake is not here. To have it: set FAKE_URL to the address of one that runs.",
    ]


def test_the_best_way_that_is_here_is_taken(known: Known) -> None:
    """The ways are tried in their order."""
    known(fake(way("the wheel", here=False), way("Docker"), way("the package")))
    with services.require("fake") as service:
        assert service.provider == "Docker"
    assert not answers(service.address)


def test_the_next_way_is_tried_when_one_fails(known: Known) -> None:
    """A wheel that does not work on this machine is no end."""
    known(fake(way("the wheel", "crash"), way("the package")))
    with services.require("fake") as service:
        assert service.provider == "the package"


def test_one_that_dies_at_its_start_is_an_error(known: Known) -> None:
    """The sentence says so, and shows the end of its log."""
    known(fake(way("the wheel", "crash")))
    with pytest.raises(services.Unusable) as failed:
        services.require("fake")
    first, *log = str(failed.value).splitlines()
    assert first.startswith("Fake (the wheel) did not start: python")
    assert first.endswith("ended with exit status 3. The end of its log:")
    assert log == ["no more electrons"]


def test_one_that_never_answers_is_an_error(known: Known) -> None:
    """And it is not left running."""
    known(fake(way("the wheel", "deaf", startup=0)))
    with pytest.raises(services.Unusable, match=r"does not answer at fake://127.0.0.1:\d+ after 0"):
        services.require("fake")


def test_none_at_all_says_how_to_get_one(known: Known) -> None:
    """Every way is named, and the variable."""
    known(fake(way("wheel", here=False), way("package", here=False)))
    with pytest.raises(services.NotHere) as missing:
        services.require("fake")
    assert str(missing.value) == (
        "Fake is not here. To have it: get wheel; or get package; or set FAKE_URL to the address "
        "of one that runs."
    )


def test_a_missing_client_says_how_to_get_it(known: Known) -> None:
    """Without its package a server is no use."""
    known(replace(fake(way()), clients=("no_such_client",), extra="fakes"))
    with pytest.raises(services.NotHere, match=r'no_such_client.*: pip install -e "\.\[fakes\]"'):
        services.require("fake")


def test_a_default_port_that_is_taken_is_said_and_avoided(
    known: Known, state: Path, stranger: Stranger
) -> None:
    """`up` takes another port then, and the status says why."""
    server = known(replace(fake(way()), port=stranger(b"")))
    note = f"Port {server.port} is in use, and no Fake lets us in (it said b'')."
    assert standing(server, state).notes == (note,)
    service, _ = up(server, state)
    assert service.address != server.address(server.port)
    down(server, state)


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(stranger: Stranger) -> None:
    """One sentence."""
    port = stranger(b"")
    with pytest.raises(services.Unusable) as refused:
        requiring.start(fake(way()), port=port)
    assert str(refused.value) == f"Port {port} is in use: Fake cannot have it."


def test_a_server_that_cannot_be_noted_is_not_left_running(known: Known, tmp_path: Path) -> None:
    """Nobody would find it again."""
    server = known(fake(way()))
    state = tmp_path / "state"
    records.record_file(state, "fake").mkdir(parents=True)
    with pytest.raises(services.Unusable, match="Where Fake runs cannot be noted: "):
        up(server, state)
    assert not answers(server.address(server.port))


def test_a_stale_record_is_forgotten(known: Known, state: Path) -> None:
    """What is written about a server that is gone is not believed, and another one is started."""
    server = known(fake(way()))
    port = looking.free_port()
    gone = Service("fake", "Fake", server.address(port), "long ago")
    records.write(state, Record(gone, Control(looking.free_port(), "word")))
    note = f"The Fake that was started earlier, at {gone.address}, has ended: it is forgotten."
    assert standing(server, state).notes == (note,)
    assert records.read(state, "fake") is None
    records.write(state, Record(gone, Control(looking.free_port(), "word")))
    with services.require("fake") as service:
        assert service.address != gone.address


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": 1}', json.dumps({"more": None})])
def test_a_record_that_cannot_be_read_is_none(state: Path, content: str) -> None:
    """Whatever is in it."""
    path = records.record_file(state, "fake")
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert records.read(state, "fake") is None


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_only_we_can_read_how_to_stop_it(state: Path) -> None:
    """The record holds the word with which its keeper is asked."""
    service = Service("fake", "Fake", "fake://", "somewhere")
    records.write(state, Record(service, Control(1, "word")))
    assert records.record_file(state, "fake").stat().st_mode & 0o077 == 0


def test_processes_share_one(known: Known, tmp_path: Path) -> None:
    """The second to ask gets what the first has started; the last to let go ends it."""
    known(fake(way()))
    first = services.require("fake", shared=tmp_path / "shared")
    second = services.require("fake", shared=tmp_path / "shared")
    assert first == second
    first.release()
    assert answers(second.address)
    second.release()
    assert not answers(second.address)
    third = services.require("fake", shared=tmp_path / "shared")
    assert third.address != second.address
    third.release()


def test_they_share_one_although_they_ask_at_the_same_time(known: Known, tmp_path: Path) -> None:
    """Whoever comes first starts it, and the others wait for that."""
    known(fake(way()))
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda _: services.require("fake", shared=tmp_path / "shared"), range(4))
        )
    assert len({service.address for service in found}) == 1
    for service in found:
        assert answers(service.address)
        service.release()
    assert not answers(found[0].address)


def test_what_is_not_released_is_held(known: Known) -> None:
    """A server does not go away because nobody kept the object that told where it is."""
    known(fake(way()))
    address = services.require("fake").address
    assert answers(address)
    for lease in list(leases._held):
        lease.release()
    eventually(lambda: not answers(address))
