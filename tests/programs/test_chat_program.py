"""`course run chat`: the chat, the router in front of it, the page's settings, and the command."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage

from autograder.course.app import app
from autograder.course.programs.chat.program import load, open_all
from autograder.course.programs.chat.router import Router
from autograder.course.programs.chat.site import FILES, make_app
from autograder.course.programs.pages import open_site
from autograder.simulation import World, run_world

ROOT = Path(__file__).resolve().parents[2]


def in_world(program: Any) -> Any:
    outcome = run_world(program)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.problems == []
    return outcome.result


@contextlib.asynccontextmanager
async def routed(heartbeat: float = 5.0) -> AsyncIterator[Router]:
    """The reference chat, and a router in front of it."""
    serve_chat, _ = load(mine=False)
    async with (
        serve_chat("127.0.0.1", 0, heartbeat=heartbeat) as server,
        Router(next(iter(server.sockets)).getsockname()[1]).open() as router,
    ):
        yield router


async def join(router: Router, name: str) -> ClientConnection:
    """Join the lobby by a line of the same name."""
    connection = await connect(f"ws://127.0.0.1:{router.port}/?line={name}", ping_interval=None)
    await connection.send(json.dumps({"type": "join", "room": "lobby", "name": name}))
    return connection


async def hear(connection: ClientConnection) -> Any:
    return json.loads(await connection.recv())


# -- the router -----------------------------------------------------------------------------------


def test_a_line_carries_what_is_said() -> None:
    """Through the router people talk as if it were not there."""

    async def program(world: World) -> None:
        async with routed() as router, await join(router, "ada") as ada:
            assert (await hear(ada))["names"] == ["ada"]
            await ada.send(json.dumps({"type": "say", "key": "k", "text": "x" * 300_000}))
            assert len((await hear(ada))["text"]) == 300_000

    in_world(program)


def test_a_line_can_be_cut() -> None:
    """Cutting a line breaks its connections off, at both ends, and nobody else's."""

    async def program(world: World) -> None:
        async with (
            routed() as router,
            await join(router, "ada") as ada,
            await join(router, "bob") as bob,
        ):
            await hear(bob)
            router.do("cut", "bob")
            with pytest.raises(ConnectionClosed):
                await bob.recv()
            kinds = [(await hear(ada))["type"] for _ in range(3)]
            assert kinds == ["welcome", "joined", "left"]

    in_world(program)


def test_a_line_can_be_forgotten() -> None:
    """A forgotten line swallows everything; the server notices by its heartbeat."""

    async def program(world: World) -> float:
        async with (
            routed(heartbeat=5) as router,
            await join(router, "ada") as ada,
            await join(router, "bob") as bob,
        ):
            await hear(bob)
            router.do("forget", "bob")
            before = world.time()
            for expected in ("welcome", "joined", "left"):
                assert (await hear(ada))["type"] == expected
            return world.time() - before

    # A ping within 5 s, 5 s for its pong, and up to 10 s for a good-bye.
    assert 5 <= in_world(program) <= 21


def test_a_line_can_be_kept_shut() -> None:
    """A shut line turns new connections away until it is opened."""

    async def program(world: World) -> None:
        async with routed() as router:
            router.do("shut", "ada")
            with pytest.raises((InvalidMessage, OSError, EOFError)):
                await join(router, "ada")
            async with await join(router, "bob") as bob:
                await hear(bob)
            router.do("open", "ada")
            async with await join(router, "ada") as ada:
                assert (await hear(ada))["type"] == "welcome"

    in_world(program)


def test_a_router_that_ends_leaves_nothing() -> None:
    """When the router's block ends, connections are broken off and nothing runs on."""

    async def program(world: World) -> None:
        async with routed() as router:
            ada = await join(router, "ada")
            await hear(ada)
        with pytest.raises(ConnectionClosed):
            await ada.recv()

    in_world(program)


# -- the page's server ----------------------------------------------------------------------------


def test_the_site_has_a_page_and_settings() -> None:
    """Every file of the page is served, with a policy that lets nothing else in."""

    async def program(world: World) -> None:
        router = Router(1)
        async with (
            open_site(make_app(router, "mine.py"), 0) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        ):
            for path in FILES:
                async with session.get(path) as answer:
                    assert answer.status == 200
                    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            async with session.get("/settings") as answer:
                assert await answer.json() == {"port": 0, "serving": "mine.py"}
            async with session.get("/../program.py") as answer:
                assert answer.status == 404

    in_world(program)


@pytest.mark.parametrize(
    ("deed", "options", "status"),
    [
        ("shut", {"json": {"line": "ada"}}, 204),
        ("explode", {"json": {"line": "ada"}}, 400),
        ("shut", {"json": ["ada"]}, 400),
        ("shut", {"data": {"line": "ada"}}, 400),  # a form of somebody else's page
    ],
)
def test_the_buttons_reach_the_router(deed: str, options: Any, status: int) -> None:
    """A deed by JSON is done; anything else is refused."""

    async def program(world: World) -> set[str]:
        router = Router(1)
        async with (
            open_site(make_app(router, ""), 0) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
            session.post(f"/line/{deed}", **options) as answer,
        ):
            assert answer.status == status
        return router.shut

    assert in_world(program) == ({"ada"} if status == 204 else set())


def test_the_page_loads_nothing_from_elsewhere() -> None:
    """No file of the page names an address outside this machine."""
    page = ROOT / "autograder" / "course" / "programs" / "chat" / "page"
    for file in page.iterdir():
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in text, file.name
        assert "http://" not in text, file.name


# -- the command ----------------------------------------------------------------------------------


def test_a_stub_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With --mine and nothing written yet, the command says so."""
    for folder in ("lessons", "exercises/07_websockets"):
        (tmp_path / folder).mkdir(parents=True)
    stub = (ROOT / "exercises/07_websockets/chat_server.py").read_text("utf-8")
    (tmp_path / "exercises/07_websockets/chat_server.py").write_text(stub, "utf-8")
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    result = CliRunner().invoke(app, ["run", "chat", "--mine", "--port", "0"])
    assert result.exit_code != 0
    assert "is not written yet" in str(result.output) + str(result.exception)


def test_a_port_that_is_taken_is_refused_in_one_sentence() -> None:
    """If something else listens on the port, the command names another one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["run", "chat", "--port", str(port)])
    assert result.exit_code != 0
    assert f"Port {port} is taken" in str(result.output) + str(result.exception)


async def test_all_of_it_on_real_sockets() -> None:
    """The page, its settings and a conversation through the router, on this machine."""
    serve_chat, path = load(mine=False)
    async with open_all(serve_chat, path) as address, aiohttp.ClientSession(address) as session:
        async with session.get("/settings") as answer:
            port = (await answer.json())["port"]
        async with connect(f"ws://127.0.0.1:{port}/?line=ada") as ada:
            await ada.send(json.dumps({"type": "join", "room": "lobby", "name": "ada"}))
            assert (await hear(ada))["type"] == "welcome"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_ctrl_c_ends_it_and_leaves_nothing() -> None:
    """Ctrl-C ends the program with a sentence, and its port is free."""
    command = [sys.executable, "-m", "autograder.course.app", "run", "chat", "--port", "0"]
    lines = []
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 130, "".join(lines) + rest
    assert "Nothing is left running" in rest
    port = int(next(line for line in lines if "Open" in line).split(":")[2].split("/")[0])
    with socket.create_server(("127.0.0.1", port)):
        pass
