"""`course run leaderboard`: the ledger, the stage in a world, the page's server, the command."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner

from autograder import services
from autograder.course.app import app
from autograder.course.programs.leaderboard.crowd import Ledger, names
from autograder.course.programs.leaderboard.gauge import spread
from autograder.course.programs.leaderboard.program import load, open_all
from autograder.course.programs.leaderboard.site import FILES, PAGE

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0
"""Real seconds after which what a test waits for will not come; it takes one or two."""


# -- the stopwatch --------------------------------------------------------------------------------


def test_a_board_tells_how_long_scores_took() -> None:
    """A score counts when it or a newer one of its player is shown; who was not there does not."""
    ledger = Ledger()
    ledger.sent("ada", 10, 0.0)
    assert ledger.seen([["ada", 10]], 0.5) == []  # before this nobody knew her place
    for score, at in ((20, 1.0), (30, 2.0), (40, 3.0)):
        ledger.sent("ada", score, at)
    assert ledger.seen([["ada", 30]], 4.0) == [3.0, 2.0]
    assert ledger.seen([["ada", 30], ["bob", 5]], 4.5) == []
    assert ledger.seen([["bob", 5]], 5.0) == []
    assert ledger.seen([["ada", 40]], 9.0) == []
    assert names(28)[-2:] == ["Ada 2", "Bela 2"]


def test_a_spread_is_of_all_of_them() -> None:
    """The median, the 99th percentile and the maximum of a hundred."""
    assert spread([]) is None
    assert spread([n / 100 for n in range(100)]) == (100, 0.5, 0.99, 0.99)


# -- all of it, on a real server ------------------------------------------------------------------


@contextlib.asynccontextmanager
async def staged(url: str, answer: ModuleType | None = None) -> AsyncIterator[Any]:
    """A small stage, a client of its page, and the stage itself."""
    found, path = load(mine=False)
    async with (
        asyncio.timeout(PATIENCE),
        open_all(answer or found, path, url, players=5, rate=100) as (address, stage),
        aiohttp.ClientSession(address) as session,
    ):
        yield session, stage


async def numbers(session: aiohttp.ClientSession, **wanted: Any) -> dict[str, Any]:
    """What the page shows, as soon as it satisfies these conditions."""
    while True:
        async with session.get("/numbers") as answer:
            shown: dict[str, Any] = await answer.json()
        if all(condition(shown[name]) for name, condition in wanted.items()):
            return shown
        await asyncio.sleep(0.05)


async def test_scores_come_to_the_screen(redis_url: str) -> None:
    """Players score, the numbers say how much and how fast; afterwards Redis has nothing of it."""
    import redis.asyncio

    async with staged(redis_url) as (session, stage):
        shown = await numbers(session, p99=bool, taken=bool, boards=bool)
        assert 0 < shown["p50"] <= shown["p99"]
        assert shown["rate"] == 100
        assert shown["workers"] == {"worker 1": "", "worker 2": ""}
        async with session.get("/settings") as answer:
            settings = await answer.json()
        assert settings["ports"] == stage.ports
        assert settings["serving"].endswith("leaderboard.py")
    async with redis.asyncio.from_url(redis_url) as client:
        assert await client.keys("leaderboard-*") == []


async def test_the_buttons_do_what_they_say(redis_url: str) -> None:
    """A killed worker is dead for a while, and scores go on; so do they after all the rest."""
    async with staged(redis_url) as (session, stage):
        await numbers(session, taken=bool)
        for deed in ("kill", "cut", "deafen"):
            async with session.post("/deed", json={"deed": deed}) as answer:
                assert answer.status == 204
        await numbers(session, workers=lambda workers: "killed" in workers.values(), deaf=bool)
        await numbers(session, workers=lambda workers: not any(workers.values()))
        before = stage.gauge.boards
        while stage.gauge.boards < before + 3:  # noqa: ASYNC110 - it comes over the network
            await asyncio.sleep(0.05)
        async with session.post("/rate", json={"rate": 0}) as answer:
            assert answer.status == 204
        await numbers(session, sent=lambda sent: sent == 0, waiting=lambda waiting: waiting == 0)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/deed", {"json": {"deed": "explode"}}),
        ("/deed", {"json": ["kill"]}),
        ("/deed", {"data": {"deed": "kill"}}),  # a form of somebody else's page
        ("/rate", {"json": {"rate": "many"}}),
        ("/rate", {"json": {"rate": 1e9}}),
    ],
)
async def test_nonsense_is_refused(redis_url: str, path: str, options: Any) -> None:
    """What is no deed, no rate, or no JSON is a bad request, and nothing happens."""
    async with staged(redis_url) as (session, stage):
        async with session.post(path, **options) as answer:
            assert answer.status == 400
        assert stage.crowd.rate == 100


async def test_a_worker_that_raises_is_shown(redis_url: str) -> None:
    """If the learner's worker raises, the page says what, and another one is employed."""
    answer, _ = load(mine=False)
    tried = 0

    async def work(*_: Any, **__: Any) -> None:
        nonlocal tried
        tried += 1
        raise ValueError("no such player")

    broken = ModuleType("broken")
    broken.serve_board, broken.work = answer.serve_board, work  # type: ignore[attr-defined]
    async with staged(redis_url, broken) as (session, _):
        shown = await numbers(session, workers=lambda workers: all(workers.values()))
        assert "no such player" in shown["workers"]["worker 1"]
        while tried < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_the_page_is_served_and_loads_nothing_from_elsewhere(redis_url: str) -> None:
    """Every file is there, with a policy, and none names an address outside this machine."""
    async with staged(redis_url) as (session, _):
        for path in FILES:
            async with session.get(path) as answer:
                assert answer.status == 200
                assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert {file.name for file in PAGE.iterdir()} == set(FILES.values())
    for file in PAGE.iterdir():
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in text, file.name
        assert "http://" not in text, file.name


# -- the command ----------------------------------------------------------------------------------


def refused(*arguments: str) -> str:
    """What the command says when it refuses."""
    result = CliRunner().invoke(app, ["run", "leaderboard", *arguments])
    assert result.exit_code != 0
    return str(result.output) + str(result.exception)


@pytest.mark.parametrize("half", ["serve_board", "work"])
def test_a_stub_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, redis_url: str, half: str
) -> None:
    """With --mine and one of the two not written yet, the command says so."""
    for folder in ("lessons", "exercises/10_event_streams"):
        (tmp_path / folder).mkdir(parents=True)
    name = "10_event_streams/leaderboard.py"
    stub = (ROOT / "exercises" / name).read_text("utf-8")
    if half == "work":
        stub = (ROOT / "solutions" / name).read_text("utf-8") + (
            "\n\nasync def work(*args, **options):\n    raise NotImplementedError\n"
        )
    (tmp_path / "exercises" / name).write_text(stub, "utf-8")
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    monkeypatch.setenv("REDIS_URL", redis_url)
    assert "is not written yet" in refused("--mine", "--port", "0")


def test_a_port_that_is_taken_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    """If something else listens on the port, the command names another one."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Port {port} is taken" in refused("--port", str(port))


def test_without_redis_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is no Redis and none can be started, the command says what to do."""

    def require(name: str) -> Any:
        raise services.NotHere(f"No {name}: start one.")

    monkeypatch.setattr(services, "require", require)
    importlib.import_module("autograder.course.programs.leaderboard.program")
    said = refused("--port", "0")
    assert "needs a Redis" in said
    assert "start one." in said


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_ctrl_c_ends_it_and_leaves_nothing(redis_url: str) -> None:
    """Ctrl-C ends the program with a sentence, and its port is free."""
    command = [sys.executable, "-m", "autograder.course.app", "run", "leaderboard", "--port", "0"]
    lines = []
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "REDIS_URL": redis_url},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 130, "".join(lines) + rest
    assert rest.strip() == "Stopped. Nothing is left running."
    port = int(next(line for line in lines if "Open" in line).split(":")[2].split("/")[0])
    with socket.create_server(("127.0.0.1", port)):
        pass
