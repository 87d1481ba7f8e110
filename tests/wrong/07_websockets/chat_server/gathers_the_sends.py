"""All sends at once, with gather: nobody waits for the one in front of it in the list.

But gather is over when the last send is, and until then the handler reads nothing more from the one
who has spoken: the slowest client sets the pace of all who talk.

mistake: slow-client-blocks-all
also: ghost-member
fails: test_a_client_that_never_reads_holds_up_nobody, test_what_waits_for_a_client_is_bounded,
       test_a_client_that_is_behind_catches_up,
       test_a_connection_that_breaks_in_its_welcome_leaves_no_ghost
"""

import asyncio
import json
from collections import defaultdict
from contextlib import asynccontextmanager

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


class Room:
    def __init__(self):
        self.members = {}
        self.messages = []
        self.last_id = 0

    def names(self):
        return sorted(set(self.members.values()))

    async def tell(self, event, but=None):
        text = json.dumps(event)
        sends = [connection.send(text) for connection in self.members if connection is not but]
        await asyncio.gather(*sends, return_exceptions=True)


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
