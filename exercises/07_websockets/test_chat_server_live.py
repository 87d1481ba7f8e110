"""Grades chat_server.py on real sockets: `pytest exercises/07 -k chat_server --live`."""

import asyncio
import contextlib
import json
import socket

import pytest
from websockets.asyncio.client import connect

from autograder.grading.benches.raw_websocket import RawWebSocket

MOST = 1000
"""Messages of 50 KB: the buffers of a system hold a tenth of it for one connection, or less."""
PATIENCE = 60
"""Seconds of real time, after which a test gives up; none of them needs a tenth of it."""


@contextlib.asynccontextmanager
async def served(submission, **options):
    """The chat on a free port of this machine; the port."""
    try:
        async with (
            asyncio.timeout(PATIENCE),
            submission.serve_chat("127.0.0.1", 0, **options) as server,
        ):
            yield next(iter(server.sockets)).getsockname()[1]
    except TimeoutError:
        raise AssertionError(
            f"what this test waits for had not happened after {PATIENCE} s, in real time"
        ) from None


async def join(connection, name):
    await connection.send(json.dumps({"type": "join", "room": "lamps", "name": name}))
    return await hear(connection, "welcome")


async def say(connection, key, text="hello"):
    await connection.send(json.dumps({"type": "say", "key": key, "text": text}))


async def hear(connection, kind, name=None):
    """The next event of a type, and of a name if one is given; others are left out."""
    while True:
        event = json.loads(await connection.recv())
        if event["type"] == kind and name in (None, event.get("name")):
            return event


@pytest.mark.points(1)
@pytest.mark.live
async def test_a_conversation_on_real_sockets(submission):
    """Two real clients talk, leave, and come back to the history."""
    async with served(submission) as port:
        url = f"ws://127.0.0.1:{port}"
        async with connect(url) as ada:
            await join(ada, "ada")
            async with connect(url) as bob:
                assert (await join(bob, "bob"))["names"] == ["ada", "bob"]
                await say(ada, "k1")
                heard = await hear(bob, "message")
            assert heard == await hear(ada, "message")
            await hear(ada, "left", "bob")
            async with connect(url) as bob:
                assert (await join(bob, "bob"))["messages"] == [heard]


@pytest.mark.points(1)
@pytest.mark.live
async def test_a_real_client_that_never_reads(submission):
    """A real client that never reads is disconnected, and the others hear all that is said."""
    async with served(submission, backlog=20) as port:
        loop, nothing = asyncio.get_running_loop(), lambda *_: None
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        _, deaf = await loop.create_connection(lambda: RawWebSocket(nothing, nothing), sock=sock)
        await deaf.open("127.0.0.1", port)
        await deaf.send(json.dumps({"type": "join", "room": "lamps", "name": "deaf"}))
        deaf.stop_reading()
        try:
            async with connect(f"ws://127.0.0.1:{port}", compression=None) as ada:
                names = (await join(ada, "ada"))["names"]
                if "deaf" not in names:
                    await hear(ada, "joined", "deaf")
                gone, number = False, 0
                while not gone:
                    # Until all buffers of the system are full: some megabytes.
                    number += 1
                    assert number < MOST, (
                        f"{number} messages of 50 KB were said, with backlog=20, and a client that "
                        "does not read is still connected"
                    )
                    await say(ada, f"k{number}", "x" * 50_000)
                    event = {"type": ""}
                    while event["type"] != "message":
                        event = json.loads(await ada.recv())
                        gone = gone or event == {"type": "left", "name": "deaf"}
                    assert event["id"] == number
        finally:
            deaf.abort()


@pytest.mark.points(1)
@pytest.mark.live
async def test_a_real_client_that_answers_no_ping(submission):
    """A real client that answers no ping is gone after some heartbeats."""
    async with served(submission, heartbeat=0.2) as port:
        mute = await RawWebSocket.connect("127.0.0.1", port, lambda _: None, lambda: None)
        mute.answers = False
        await mute.send(json.dumps({"type": "join", "room": "lamps", "name": "mute"}))
        try:
            async with connect(f"ws://127.0.0.1:{port}") as ada:
                if "mute" not in (await join(ada, "ada"))["names"]:
                    await hear(ada, "joined", "mute")
                await hear(ada, "left", "mute")
        finally:
            mute.abort()
