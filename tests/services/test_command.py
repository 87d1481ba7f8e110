"""What `course services` says and does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder.course.app import app
from autograder.services import catalogue, leases, looking, records, requiring
from autograder.services.model import Server

from .fakes import answers, fake, way

Says = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Says:
    """Runs the command in an empty course: its exit status, and its lines without the margin."""
    for name in ("exercises", "lessons"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FAKE_URL", raising=False)

    def run(*words: str) -> tuple[int, list[str]]:
        result = CliRunner().invoke(app, ["services", *words])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, [line.strip() for line in result.output.splitlines() if line]

    return run


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """The one server that there is, a fake; stopped at the end if it still runs."""

    def know(server: Server) -> Server:
        for name in list(catalogue.SERVERS):
            monkeypatch.delitem(catalogue.SERVERS, name)
        monkeypatch.setitem(catalogue.SERVERS, server.name, server)
        return server

    yield know
    record = records.read(tmp_path / ".course" / "services", "fake")
    if record is not None:
        leases.stop(record.control)


def test_up_starts_it_and_down_stops_it(says: Says, only: Callable[..., Server]) -> None:
    """The table tells the difference, and both say it when there is nothing to do."""
    server = only(fake(way()))
    address = server.address(server.port)
    status, [head, line, *_, commands] = says()
    assert (status, head.split()[-2:]) == (0, ["none", "running"])
    assert line == "○ Fake        can be started  (from the fake wheel)"
    assert commands == "course services up NAME · course services down · course services check"

    status, [line] = says("up", "fake")
    assert (status, line[: line.index(" in ")]) == (
        0,
        f"● Fake        {address}  (started from the fake wheel",
    )
    assert answers(address)
    status, [line] = says("up", "fake")
    assert (status, line) == (0, f"● Fake        {address}  (running already; the fake wheel)")
    _, [head, line, *_] = says()
    assert head.endswith("1 of 1 running")
    assert line == f"● Fake        {address}  (the fake wheel)"

    assert says("down") == (0, ["○ Fake        stopped"])
    assert not answers(address)
    nothing = "Nothing to stop: no server was started with `course services up`."
    assert says("down") == (0, [nothing])
    assert says("down", "fake") == (0, ["○ Fake        not running"])


def test_one_that_is_not_here_says_how_to_get_it(says: Says, only: Callable[..., Server]) -> None:
    """In the table and when it is wanted; what is wanted and cannot be had ends with status 2."""
    only(fake(way("wheel", here=False)))
    remedy = (
        "Fake is not here. To have it: get wheel; or set FAKE_URL to the address of one that runs."
    )
    _, [_, *lines] = says()
    assert lines[:3] == [
        "· Fake        not here; any one of these brings it",
        "→ get wheel",
        "→ set FAKE_URL to the address of one that runs",
    ]
    assert says("up", "fake") == (2, [remedy])
    assert says("check") == (0, [f"· Fake        NOT HAD: {remedy}"])


def test_one_that_does_not_start_is_a_failure(says: Says, only: Callable[..., Server]) -> None:
    """With the end of its log; `check` says it with status 1."""
    only(fake(way("wheel", "crash")))
    status, lines = says("up", "fake")
    assert (status, lines[-1]) == (2, "no more electrons")
    status, [line, log] = says("check")
    assert (status, log) == (1, "no more electrons")
    assert line.startswith("✗ Fake        FAILED: Fake (wheel) did not start: ")


def test_check_uses_it_and_stops_it(says: Says, only: Callable[..., Server]) -> None:
    """Nothing is left running."""
    only(fake(way()))
    status, [line] = says("check")
    assert (status, line[: line.index(";")]) == (0, "✓ Fake        works  (the fake wheel")


def test_a_wrong_address_is_said(
    says: Says, only: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table shows it as a mistake, and the others are shown all the same."""
    only(fake(way()))
    monkeypatch.setenv("FAKE_URL", f"fake://127.0.0.1:{looking.free_port()}")
    status, [_, line, arrow, *_] = says()
    assert (status, line) == (0, "✗ Fake        FAKE_URL leads nowhere")
    assert arrow.startswith("→ FAKE_URL is fake://127.0.0.1:")


def test_somebody_elses_is_left_alone(says: Says, only: Callable[..., Server]) -> None:
    """One that runs on the default port is shown, and not stopped."""
    service, lease = requiring.start(fake(way()))
    port = int(service.address.rpartition(":")[2])
    only(replace(fake(way()), port=port))
    _, [_, line, *_] = says()
    assert line == f"● Fake        {service.address}  (port {port})"
    left = f"○ Fake        runs on port {port}, and was not started by this course: left alone"
    assert says("down", "fake") == (0, [left])
    assert answers(service.address)
    lease.release()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["up"], "Say which: course services up redis"),
        (["up", "rdis"], "There is no server rdis. Did you mean redis? There are: redis, "),
        (["down", "mars"], "There is no server mars. There are: redis, rabbitmq, kafka, "),
    ],
)
def test_it_refuses_in_one_sentence(says: Says, words: list[str], sentence: str) -> None:
    """And with exit status 2."""
    status, [line] = says(*words)
    assert (status, line.startswith(sentence)) == (2, True), line
