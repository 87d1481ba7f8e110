"""Starts the server, yields, and stops it in the line after that.

If the block raises, that line is never reached: in an asynccontextmanager the yield raises.

mistake: none
fails: test_so_does_a_block_that_fails
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

Event = dict[str, Any]

FIELDS: dict[str, dict[str, type]] = {
    "join": {"room": str, "name": str},
    "say": {"key": str, "text": str},
    "ping": {"at": object},
}


class BadMessage(Exception):
    """A client has sent something that is none of the three."""


@asynccontextmanager
async def serve_chat(
    host: str, port: int, *, history: int = 50, backlog: int = 100, heartbeat: float = 20.0
) -> AsyncIterator[Server]:
    """Serve the chat until the block is left; port 0 takes any free port."""
    chat = Chat(history, backlog, patience=2 * heartbeat)
    # The library sends the pings, and closes the connection of a client that does not answer.
    # The good-bye that it then waits for has to fit into the third heartbeat.
    server = await serve(
        chat.attend,
        host,
        port,
        ping_interval=heartbeat,
        ping_timeout=heartbeat,
        close_timeout=min(10, heartbeat / 2),
    )
    yield server
    server.close()
    await server.wait_closed()


class Member:
    """One connection in a room, and what waits for it."""

    def __init__(
        self, connection: ServerConnection, name: str, backlog: int, patience: float
    ) -> None:
        self.name = name
        self.connection = connection
        self.patience = patience
        self.outbox: asyncio.Queue[str] = asyncio.Queue(backlog)

    async def write(self) -> None:
        """Send what waits. If the client does not read, this waits, and nobody else does."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.send(await self.outbox.get())

    async def send(self, text: str) -> None:
        """Send something now. A client that takes nothing for so long is as good as dead; the
        library does not notice, whose pings wait behind all that is not read."""
        try:
            async with asyncio.timeout(self.patience):
                await self.connection.send(text)
        except TimeoutError:
            self.connection.transport.abort()


class Room:
    """Who is there, and what was said. Nothing in here waits, so everything happens at once."""

    def __init__(self, history: int) -> None:
        self.members: dict[Member, None] = {}
        self.names: Counter[str] = Counter()  # how many connections each name has
        self.history: deque[Event] = deque(maxlen=history)
        self.last_id = 0

    def enter(self, member: Member, after: int) -> None:
        """Welcome a member. With no await between the welcome and its place among the members,
        whatever is said is either in its welcome or comes after it."""
        self.names[member.name] += 1
        said = [message for message in self.history if message["id"] > after]
        welcome = {"type": "welcome", "names": sorted(self.names), "messages": said}
        member.outbox.put_nowait(json.dumps(welcome))
        if self.names[member.name] == 1:
            self.tell({"type": "joined", "name": member.name})
        self.members[member] = None

    def leave(self, member: Member) -> None:
        """Forget a member, by its connection: its name may be here by another one as well."""
        if member not in self.members:
            return  # it has been dropped, and the others know
        del self.members[member]
        self.names[member.name] -= 1
        if not self.names[member.name]:
            del self.names[member.name]
            self.tell({"type": "left", "name": member.name})

    def say(self, name: str, key: str, text: str) -> None:
        """Give a message its number, and to everybody; not if it was said already."""
        if any((message["name"], message["key"]) == (name, key) for message in self.history):
            return
        self.last_id += 1
        message = {"type": "message", "id": self.last_id, "name": name, "key": key, "text": text}
        self.history.append(message)
        self.tell(message)

    def tell(self, event: Event) -> None:
        """Put something into everybody's outbox; whoever has no place for it has to go."""
        text = json.dumps(event)
        for member in list(self.members):  # a copy, since leave() changes it
            try:
                member.outbox.put_nowait(text)
            except asyncio.QueueFull:
                # A good-bye would have to wait behind all that this client does not read.
                member.connection.transport.abort()
                self.leave(member)


class Chat:
    """All the rooms."""

    def __init__(self, history: int, backlog: int, patience: float) -> None:
        self.history = history
        self.backlog = backlog
        self.patience = patience
        self.rooms: dict[str, Room] = {}

    async def attend(self, connection: ServerConnection) -> None:
        """Look after one connection, from the first message to the last."""
        try:
            join = read(await connection.recv(), "join")
            room = self.rooms.setdefault(join["room"], Room(self.history))
            member = Member(connection, join["name"], self.backlog, self.patience)
            await self.listen(room, member, join.get("after", 0))
        except BadMessage as bad:
            await connection.close(CloseCode.POLICY_VIOLATION, str(bad))
        except ConnectionClosed:
            pass  # with a good-bye, without one, or for want of a heartbeat

    async def listen(self, room: Room, member: Member, after: int) -> None:
        """Do what a member says, until its connection ends."""
        room.enter(member, after)
        writer = asyncio.create_task(member.write())
        try:
            async for text in member.connection:
                event = read(text, "say", "ping")
                if event["type"] == "say":
                    room.say(member.name, event["key"], event["text"])
                else:
                    await member.send(json.dumps({"type": "pong", "at": event["at"]}))
        finally:
            room.leave(member)
            writer.cancel()
            await asyncio.wait([writer])


def read(text: str | bytes, *expected: str) -> Event:
    """What a client says; BadMessage if it is none of the expected types."""
    if not isinstance(text, str):
        raise BadMessage("binary messages mean nothing here")
    try:
        event = json.loads(text)
    except ValueError:
        raise BadMessage("not JSON") from None
    if not isinstance(event, dict) or event.get("type") not in expected:
        raise BadMessage(f"expected an object of type {' or '.join(expected)}")
    for name, kind in FIELDS[event["type"]].items():
        if name not in event or not isinstance(event[name], kind):
            raise BadMessage(f"{event['type']} needs a field {name!r} that is {kind.__name__}")
    if not isinstance(event.get("after", 0), int):
        raise BadMessage("'after' is the number of a message")
    return event
