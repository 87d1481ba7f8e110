"""When the loop over what a client says is over, the client has left: so it is taken off there.

The loop ends so only after a good-bye. If the connection breaks, or if the heartbeat gives it up,
the loop raises ConnectionClosedError, and the lines after it are never reached.

mistake: ghost-member
fails: test_a_broken_connection_is_a_member_that_left, test_nonsense_ends_one_connection,
       test_a_member_that_vanished_is_noticed, test_a_partition_loses_nothing,
       test_a_connection_that_breaks_in_its_welcome_leaves_no_ghost
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


@dataclass(eq=False)
class Member:
    name: str
    connection: ServerConnection
    queue: asyncio.Queue


@dataclass
class Room:
    keep: int
    members: set[Member] = field(default_factory=set)
    messages: list[dict] = field(default_factory=list)
    last_id: int = 0

    @property
    def names(self):
        return sorted({member.name for member in self.members})

    def publish(self, event, but=None):
        text = json.dumps(event)
        for member in self.members.copy():
            if member is not but:
                try:
                    member.queue.put_nowait(text)
                except asyncio.QueueFull:
                    member.connection.transport.abort()
                    self.remove(member)

    def add(self, member, after):
        new = member.name not in self.names
        self.members.add(member)
        past = [message for message in self.messages if message["id"] > after]
        welcome = {"type": "welcome", "names": self.names, "messages": past}
        member.queue.put_nowait(json.dumps(welcome))
        if new:
            self.publish({"type": "joined", "name": member.name}, but=member)

    def remove(self, member):
        if member in self.members:
            self.members.discard(member)
            if member.name not in self.names:
                self.publish({"type": "left", "name": member.name})

    def say(self, name, key, text):
        if any(m["name"] == name and m["key"] == key for m in self.messages):
            return
        self.last_id += 1
        message = {"type": "message", "id": self.last_id, "name": name, "key": key, "text": text}
        self.messages = ([*self.messages, message])[-self.keep :]
        self.publish(message)


def check(condition):
    if not condition:
        raise ValueError("that is no message of this protocol")


def decode(text, *types):
    check(isinstance(text, str))
    event = json.loads(text)
    check(isinstance(event, dict) and event.get("type") in types)
    if event["type"] == "join":
        check(isinstance(event.get("room"), str) and isinstance(event.get("name"), str))
        check(isinstance(event.get("after", 0), int))
    elif event["type"] == "say":
        check(isinstance(event.get("key"), str) and isinstance(event.get("text"), str))
    else:
        check("at" in event)
    return event


async def write(member):
    with suppress(ConnectionClosed):
        while True:
            await member.connection.send(await member.queue.get())


@asynccontextmanager
async def serve_chat(host, port, *, history=50, backlog=100, heartbeat=20.0):
    rooms: dict[str, Room] = {}

    async def handler(connection):
        try:
            join = decode(await connection.recv(), "join")
            room = rooms.setdefault(join["room"], Room(history))
            await stay(room, Member(join["name"], connection, asyncio.Queue(backlog)), join)
        except ValueError:
            await connection.close(1008)
        except ConnectionClosed:
            pass

    async def stay(room, member, join):
        room.add(member, join.get("after", 0))
        writer = asyncio.create_task(write(member))
        async for text in member.connection:
            event = decode(text, "say", "ping")
            if event["type"] == "say":
                room.say(member.name, event["key"], event["text"])
            else:
                await member.connection.send(json.dumps({**event, "type": "pong"}))
        room.remove(member)
        writer.cancel()

    async with serve(
        handler, host, port, ping_interval=heartbeat, ping_timeout=heartbeat
    ) as server:
        yield server
