"""A chat server with bad manners on request: for the graders of reconnecting_client.py.

Its history outlives it, as if it were in a database. It speaks the protocol of chat_server.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

if TYPE_CHECKING:
    from autograder.simulation import World

HOST, PORT = "chat.example", 8000
URL = f"ws://{HOST}:{PORT}"

Event = dict[str, Any]


@dataclass
class Manners:
    """How the server treats its next clients.

    ``status``: what it answers a handshake with, None to agree. ``mute``: it never says welcome.
    ``code``: that with which it closes in answer to a join. ``repeats``: so many messages that the
    client has already are in its welcome. ``takes``: seconds for the handshake and for the welcome.
    """

    status: int | None = None
    mute: bool = False
    code: int | None = None
    repeats: int = 0
    takes: float = 0.0


@dataclass
class Feed:
    """The messages of one room, and the server that tells them.

    Attributes:
        messages: everything that was said; ids begin at 1.
        attempts: when each handshake began, in seconds of the world.
        joins: what clients have sent first.
        members: connections that have got their welcome and are open.
    """

    world: World
    manners: Manners = field(default_factory=Manners)
    messages: list[Event] = field(default_factory=list)
    attempts: list[float] = field(default_factory=list)
    joins: list[Any] = field(default_factory=list)
    members: dict[ServerConnection, None] = field(default_factory=dict)
    good_byes: list[int | None] = field(default_factory=list)
    _server: Server | None = None
    _news: list[asyncio.Future[None]] = field(default_factory=list)

    def say(self, *texts: str) -> None:
        """Say something in the room."""
        for text in texts:
            number = len(self.messages) + 1
            message = {"type": "message", "id": number, "name": "ada", "key": f"k{number}"}
            self.messages.append({**message, "text": text})
            broadcast(self.members, json.dumps(self.messages[-1]))

    async def open(self) -> None:
        """Serve from now on."""
        with self.world.network.at(HOST):
            self._server = await serve(
                self._attend, HOST, PORT, process_request=self._request, compression=None
            )

    async def close(self) -> None:
        """Stop as a server does for a restart: with a good-bye to all, code 1001."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await server.wait_closed()

    async def crash(self) -> None:
        """Stop as a process does that is killed: the system closes its connections."""
        server, self._server = self._server, None
        if server is not None:
            server.close(close_connections=False)
            self.world.network.reset(HOST)
            await server.wait_closed()

    async def until(self, what: Callable[[], Any], within: float) -> bool:
        """Wait until something holds; False if it does not in time.

        It is looked at every 20 ms at first, later every second.
        """
        begin = self.world.time()
        while not what():
            passed = self.world.time() - begin
            if passed >= within:
                return False
            await asyncio.sleep(min(max(0.02, passed / 20), 1.0))
        return True

    # -- one connection -------------------------------------------------------------------------

    async def _request(self, connection: ServerConnection, request: Request) -> Response | None:
        self.attempts.append(self.world.time())
        await asyncio.sleep(self.manners.takes)
        if self.manners.status is None:
            return None
        return connection.respond(HTTPStatus(self.manners.status), "no\n")

    async def _attend(self, connection: ServerConnection) -> None:
        manners = self.manners
        with contextlib.suppress(ConnectionClosed):
            join = json.loads(await connection.recv())
            self.joins.append(join)
            await asyncio.sleep(manners.takes)
            if manners.code is not None:
                await connection.close(manners.code)
            elif not manners.mute:
                await self._welcome(connection, join, manners)
        if manners.mute:
            await connection.wait_closed()

    async def _welcome(self, connection: ServerConnection, join: Event, manners: Manners) -> None:
        begin = max(0, join.get("after", 0) - manners.repeats)
        # First a member, then the welcome, and no await between: nothing is said meanwhile.
        self.members[connection] = None
        welcome = {"type": "welcome", "names": ["ada"], "messages": self.messages[begin:]}
        try:
            await connection.send(json.dumps(welcome))
            await connection.send(json.dumps({"type": "joined", "name": "cem"}))
            await connection.wait_closed()
        finally:
            del self.members[connection]
            self.good_byes.append(connection.close_code)


@asynccontextmanager
async def open_feed(world: World, *texts: str) -> AsyncIterator[Feed]:
    """A feed in which so much was said already. Where the block fails, the world tidies up."""
    feed = Feed(world)
    feed.say(*texts)
    await feed.open()
    yield feed
    await feed.close()


class Follower:
    """One client under study at work, and what it has handled."""

    def __init__(self, world: World, submission: Any, **options: Any) -> None:
        self.world = world
        self.submission = submission
        self.options = options
        self.handled: list[Event] = []
        self.pause: float = 0.0
        self.at_once = self.most_at_once = 0
        self.task: asyncio.Task[None]

    @property
    def ids(self) -> list[Any]:
        """The ids of the messages handled, in order."""
        return [message.get("id") if isinstance(message, dict) else message
                for message in self.handled]  # fmt: skip

    def run(self) -> Any:
        """The coroutine: `follow`, from the last message that was handled."""
        after = {"after": self.ids[-1]} if self.handled else {}
        options = {**self.options, **after}
        return self.submission.follow(URL, "lamps", "bot", self.handle, **options)

    def start(self) -> Follower:
        """Have it run as a task."""
        self.task = asyncio.create_task(self.run())
        return self

    async def handle(self, message: Event) -> None:
        """Take a message, and a while for it. It counts as handled when that is over."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.pause)
            self.handled.append(message)
        finally:
            self.at_once -= 1

    def ended(self) -> str:
        """How it has ended, in words; "" if it has not."""
        if not self.task.done():
            return ""
        if self.task.cancelled():
            return "follow was cancelled"
        error = self.task.exception()
        return f"follow raised {error!r}" if error is not None else "follow returned"
