"""No queue for anybody: a room keeps one log, each connection knows how far it has read in it.

A connection's writer sleeps on an Event until there is more. Whoever is more than `backlog` entries
behind the end of the log is aborted.
"""

import asyncio
import itertools
import json
from collections import deque
from contextlib import asynccontextmanager

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

numbers = itertools.count(1)


class Room:
    def __init__(self, size):
        self.size = size
        self.readers = {}  # by number, since names come twice
        self.log = deque()  # (position, text, only for readers that ...)
        self.end = 0
        self.messages = []

    def names(self):
        return sorted({reader.name for reader in self.readers.values()})

    def append(self, event):
        self.end += 1
        self.log.append((self.end, json.dumps(event)))
        for number, reader in [*self.readers.items()]:
            if self.end - reader.position > reader.most:
                reader.connection.transport.abort()
                self.remove(number)
            else:
                reader.wake.set()
        self.trim()

    def trim(self):
        oldest = min((reader.position for reader in self.readers.values()), default=self.end)
        while self.log and self.log[0][0] <= oldest:
            self.log.popleft()

    def remove(self, number):
        reader = self.readers.pop(number, None)
        if reader is not None and reader.name not in self.names():
            self.append({"type": "left", "name": reader.name})


class Reader:
    def __init__(self, room, connection, name, most):
        self.room, self.connection, self.name, self.most = room, connection, name, most
        self.position = room.end
        self.wake = asyncio.Event()

    async def run(self, welcome):
        try:
            await self.connection.send(json.dumps(welcome))
            while True:
                await self.wake.wait()
                self.wake.clear()
                while self.position < self.room.end:
                    position, text = self.room.log[
                        self.position - self.room.log[0][0] + 1
                        if self.room.log[0][0] <= self.position
                        else 0
                    ]
                    self.position = position
                    await self.connection.send(text)
                self.room.trim()
        except ConnectionClosed:
            pass


class Nonsense(ValueError):
    pass


def parse(text):
    if isinstance(text, bytes):
        raise Nonsense
    found = json.loads(text)
    if type(found) is not dict:
        raise Nonsense
    return found


def text_of(event, name):
    if not isinstance(event.get(name), str):
        raise Nonsense
    return event[name]


@asynccontextmanager
async def serve_chat(host, port, *, history=50, backlog=100, heartbeat=20.0):
    rooms = {}

    async def visit(connection):
        join = parse(await connection.recv())
        if join.get("type") != "join":
            raise Nonsense
        name, after = text_of(join, "name"), join.get("after", 0)
        if not isinstance(after, int):
            raise Nonsense
        room = rooms.setdefault(text_of(join, "room"), Room(history))
        if name not in room.names():
            room.append({"type": "joined", "name": name})
        me = next(numbers)
        reader = room.readers[me] = Reader(room, connection, name, backlog)
        past = [message for message in room.messages[-history:] if message["id"] > after]
        welcome = {"type": "welcome", "names": room.names(), "messages": past}
        task = asyncio.create_task(reader.run(welcome))
        try:
            async for text in connection:
                event = parse(text)
                kind = event.get("type")
                if kind == "ping" and "at" in event:
                    await connection.send(json.dumps({"type": "pong", "at": event["at"]}))
                elif kind == "say":
                    key, said = text_of(event, "key"), text_of(event, "text")
                    known = {(m["name"], m["key"]) for m in room.messages[-history:]}
                    if (name, key) not in known:
                        last = room.messages[-1]["id"] if room.messages else 0
                        message = {"type": "message", "id": last + 1, "name": name}
                        message |= {"key": key, "text": said}
                        room.messages = [*room.messages[-history:], message]
                        room.append(message)
                else:
                    raise Nonsense
        finally:
            room.remove(me)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def handler(connection):
        try:
            await visit(connection)
        except ConnectionClosed:
            pass
        except ValueError:
            await connection.close(1008)

    async with serve(handler, host, port, ping_interval=heartbeat, ping_timeout=heartbeat) as made:
        yield made
