"""Each send is a task of its own, so that nobody waits for anybody.

The tasks wait instead: for a client that does not read there is one more of them with each message,
and each has put its message into the buffer before it began to wait.

mistake: unbounded-client-queue
also: ghost-member
fails: test_what_waits_for_a_client_is_bounded,
       test_a_connection_that_breaks_in_its_welcome_leaves_no_ghost
"""

import asyncio
import json
from collections import defaultdict
from contextlib import asynccontextmanager, suppress

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


class Room:
    def __init__(self):
        self.members = {}
        self.messages = []
        self.last_id = 0
        self.tasks = set()

    def names(self):
        return sorted(set(self.members.values()))

    async def tell(self, event, but=None):
        text = json.dumps(event)
        for connection in self.members:
            if connection is not but:
                task = asyncio.create_task(self.send(connection, text))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)

    async def send(self, connection, text):
        with suppress(ConnectionClosed):
            await connection.send(text)


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
