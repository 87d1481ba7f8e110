"""websockets.broadcast, as the documentation has it: it writes to everybody and never waits.

Its page says the rest: there is no backpressure. What a client does not read piles up in the buffer
of its connection, until a heartbeat notices; that is 40 seconds of everything that is said.

mistake: unbounded-client-queue
also: ghost-member
fails: test_what_waits_for_a_client_is_bounded,
       test_a_connection_that_breaks_in_its_welcome_leaves_no_ghost
"""

import json
from collections import defaultdict
from contextlib import asynccontextmanager

from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed


class Room:
    def __init__(self):
        self.members = {}
        self.messages = []
        self.last_id = 0

    def names(self):
        return sorted(set(self.members.values()))

    async def tell(self, event, but=None):
        broadcast([c for c in self.members if c is not but], json.dumps(event))


class ChatServer:
    def __init__(self, history, backlog):
        self.history = history
        self.backlog = backlog
        self.rooms = defaultdict(Room)

    async def handle(self, connection):
        try:
            join = self.parse(await connection.recv(), "join")
            after = join.get("after", 0)
            if not isinstance(after, int):
                raise ValueError("after")
            room = self.rooms[join["room"]]
            await self.stay(room, connection, join["name"], after)
        except ValueError:
            await connection.close(1008)
        except ConnectionClosed:
            pass

    async def stay(self, room, connection, name, after):
        there = name in room.names()
        room.members[connection] = name
        past = [message for message in room.messages[-self.history :] if message["id"] > after]
        await connection.send(
            json.dumps({"type": "welcome", "names": room.names(), "messages": past})
        )
        try:
            if not there:
                await room.tell({"type": "joined", "name": name}, but=connection)
            async for text in connection:
                event = self.parse(text, "say", "ping")
                if event["type"] == "ping":
                    await connection.send(json.dumps({"type": "pong", "at": event["at"]}))
                else:
                    await self.say(room, name, event["key"], event["text"])
        finally:
            del room.members[connection]
            if name not in room.names():
                await room.tell({"type": "left", "name": name})

    async def say(self, room, name, key, text):
        for message in room.messages[-self.history :]:
            if (message["name"], message["key"]) == (name, key):
                return
        room.last_id += 1
        message = {"type": "message", "id": room.last_id, "name": name, "key": key, "text": text}
        room.messages.append(message)
        await room.tell(message)

    def parse(self, raw, *kinds):
        fields = {
            "join": {"room": str, "name": str},
            "say": {"key": str, "text": str},
            "ping": {"at": object},
        }
        event = json.loads(raw)
        if isinstance(raw, bytes) or not isinstance(event, dict) or event.get("type") not in kinds:
            raise ValueError(raw)
        for name, expected in fields[event["type"]].items():
            if name not in event or not isinstance(event[name], expected):
                raise ValueError(name)
        return event


@asynccontextmanager
async def serve_chat(host, port, *, history=50, backlog=100, heartbeat=20.0):
    chat = ChatServer(history, backlog)
    async with serve(
        chat.handle, host, port, ping_interval=heartbeat, ping_timeout=heartbeat
    ) as server:
        yield server
