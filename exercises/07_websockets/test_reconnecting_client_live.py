"""Grades reconnecting_client.py on real sockets: `pytest exercises/07 --live`."""

import asyncio
import contextlib
import json

import pytest
from websockets.asyncio.server import broadcast, serve

PATIENCE = 60
"""Seconds of real time, after which the test gives up; it needs two."""


class Server:
    """A room on this machine that can be restarted; it keeps its port and its messages."""

    def __init__(self):
        self.messages = []
        self.members = {}
        self.port = 0

    @contextlib.asynccontextmanager
    async def open(self):
        async with serve(self.attend, "127.0.0.1", self.port) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            yield

    async def attend(self, connection):
        after = json.loads(await connection.recv())["after"]
        self.members[connection] = None
        welcome = {"type": "welcome", "names": ["ada"], "messages": self.messages[after:]}
        await connection.send(json.dumps(welcome))
        await connection.wait_closed()
        del self.members[connection]

    def say(self, text):
        number = len(self.messages) + 1
        message = {"type": "message", "id": number, "name": "ada", "key": f"k{number}"}
        self.messages.append({**message, "text": text})
        broadcast(self.members, json.dumps(self.messages[-1]))


@pytest.mark.points(1)
@pytest.mark.live
async def test_a_real_server_is_restarted(submission):
    """A real server is restarted, and broken off, and no message is left out or comes twice."""
    server, handled = Server(), asyncio.Queue()
    async with asyncio.timeout(PATIENCE):
        async with server.open():
            url = f"ws://127.0.0.1:{server.port}"
            task = asyncio.create_task(
                submission.follow(url, "lamps", "bot", handled.put, base=0.05, cap=0.2)
            )
            server.say("one")
            assert (await handled.get())["id"] == 1
        server.say("two, while it is away")
        async with server.open():
            assert (await handled.get())["id"] == 2
            server.say("three")
            assert (await handled.get())["id"] == 3
            for connection in list(server.members):
                connection.transport.abort()
            server.say("four, while the line is broken")
            assert (await handled.get())["id"] == 4
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    assert handled.empty(), "a message was handled twice"
