"""`course run echo`: the reference loop serves the reference server to many real connections."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from autograder.course.app import app
from autograder.course.programs.echo.crowd import serve
from autograder.course.programs.echo.program import load
from autograder.grading.benches.descriptors import room_for


@pytest.fixture(scope="module")
def solved() -> dict[str, ModuleType]:
    """The reference solutions."""
    folder = Path(__file__).resolve().parents[2] / "solutions" / "02_event_loop"
    return {name: load(folder / f"{name}.py") for name in ("mini_loop", "echo_reactor")}


@pytest.mark.parametrize("wanted", [200, 2_000])
def test_one_loop_serves_them_all_at_once(solved: dict[str, ModuleType], wanted: int) -> None:
    size = room_for(wanted, each=2)
    outcome = serve(solved["mini_loop"], solved["echo_reactor"], size, messages=3)
    assert outcome.all_well, outcome.says()
    assert outcome.connected == size
    assert outcome.echoes == 3 * size
    assert wanted > 200 or size == 200


def test_a_server_that_loses_bytes_is_found_out(solved: dict[str, ModuleType]) -> None:
    class Forgetful(solved["echo_reactor"].EchoServer):  # type: ignore[name-defined,misc]
        def _accept(self, events: int) -> None:
            super()._accept(events)
            if len(self.clients) >= 5:
                next(iter(self.clients)).close()

    broken = ModuleType("broken")
    broken.EchoServer = Forgetful  # type: ignore[attr-defined]
    outcome = serve(solved["mini_loop"], broken, 10, messages=3)
    assert not outcome.all_well
    assert "client" in outcome.says()


def test_the_command_says_what_came_of_it() -> None:
    result = CliRunner().invoke(app, ["run", "echo", "--connections", "20", "--messages", "2"])
    assert result.exit_code == 0, result.output
    assert "20 connections at once, 40 messages" in result.output
