"""A TaskGroup for each connection, with a reader and a writer; a Condition wakes the writers.

Who is too slow is broken out of its send by an abort, and its group ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from itertools import count

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


class ProtocolViolation(Exception):
    pass


@dataclass
class Guest:
    name: str
    socket: object
    lines: list[str] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)


class Rooms:
    def __init__(self, history, backlog):
        self.history, self.backlog = history, backlog
        self.guests: dict[str, dict[int, Guest]] = {}
        self.said: dict[str, list[dict]] = {}
        self.numbers: dict[str, count] = {}
        self.tickets = count()

    def names(self, room):
        return {guest.name for guest in self.guests.setdefault(room, {}).values()}

    async def post(self, room, event, skip=None):
        line = json.dumps(event)
        for ticket, guest in tuple(self.guests[room].items()):
            if ticket == skip or ticket not in self.guests[room]:
                continue
            if len(guest.lines) >= self.backlog:
                guest.socket.transport.abort()
                await self.remove(room, ticket)
                continue
            guest.lines.append(line)
        for guest in tuple(self.guests[room].values()):
            async with guest.changed:
                guest.changed.notify()

    async def add(self, room, guest, after):
        known = guest.name in self.names(room)
        ticket = next(self.tickets)
        past = [m for m in self.said.get(room, []) if m["id"] > after]
        self.guests[room][ticket] = guest
        names = sorted(self.names(room))
        guest.lines.append(json.dumps({"type": "welcome", "names": names, "messages": past}))
        if not known:
            await self.post(room, {"type": "joined", "name": guest.name}, skip=ticket)
        async with guest.changed:
            guest.changed.notify()
        return ticket

    async def remove(self, room, ticket):
        guest = self.guests[room].pop(ticket, None)
        if guest is not None and guest.name not in self.names(room):
            await self.post(room, {"type": "left", "name": guest.name})

    async def say(self, room, name, key, text):
        said = self.said.setdefault(room, [])
        if (name, key) in [(m["name"], m["key"]) for m in said]:
            return
        number = next(self.numbers.setdefault(room, count(1)))
        message = {"type": "message", "id": number, "name": name, "key": key, "text": text}
        said.append(message)
        del said[: -self.history]
        await self.post(room, message)


async def write(guest):
    while True:
        async with guest.changed:
            await guest.changed.wait_for(lambda: guest.lines)
        while guest.lines:
            await guest.socket.send(guest.lines[0])
            del guest.lines[0]


def understand(text):
    if not isinstance(text, str):
        raise ProtocolViolation("binary")
    try:
        event = json.loads(text)
    except json.JSONDecodeError as error:
        raise ProtocolViolation("no JSON") from error
    match event:
        case {"type": "join", "room": str(), "name": str()} if isinstance(
            event.get("after", 0), int
        ):
            return event
        case {"type": "say", "key": str(), "text": str()} | {"type": "ping", "at": _}:
            return event
    raise ProtocolViolation("nonsense")


async def read(rooms, room, guest):
    async for text in guest.socket:
        match understand(text):
            case {"type": "ping", "at": at}:
                await guest.socket.send(json.dumps({"type": "pong", "at": at}))
            case {"type": "say", "key": key, "text": text}:
                await rooms.say(room, guest.name, key, text)
            case _:
                raise ProtocolViolation("a second join")
    raise EOFError


@contextlib.asynccontextmanager
async def serve_chat(host, port, *, history=50, backlog=100, heartbeat=20.0):
    rooms = Rooms(history, backlog)

    async def handler(socket):
        try:
            join = understand(await socket.recv())
            if join["type"] != "join":
                raise ProtocolViolation("join first")
            guest = Guest(join["name"], socket)
            ticket = await rooms.add(join["room"], guest, join.get("after", 0))
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(write(guest))
                    group.create_task(read(rooms, join["room"], guest))
            finally:
                await rooms.remove(join["room"], ticket)
        except* ProtocolViolation as group:
            await socket.close(1008, str(group.exceptions[0])[:100])
        except* (ConnectionClosed, EOFError):
            pass

    async with serve(
        handler, host, port, ping_interval=heartbeat, ping_timeout=heartbeat
    ) as server:
        yield server
