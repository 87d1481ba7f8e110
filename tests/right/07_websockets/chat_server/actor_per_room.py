"""Each room is an actor: a task with a mailbox, which alone touches the members and the history.

Handlers only put mail into the box, and each connection has a reader and a writer in a TaskGroup.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import websockets
from websockets.asyncio.server import serve


@dataclass(eq=False)
class Seat:
    name: str
    socket: object
    most: int
    waiting: list[str] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def give(self, event) -> bool:
        if len(self.waiting) >= self.most:
            return False
        self.waiting.append(json.dumps(event))
        self.more.set()
        return True

    async def deliver(self):
        while True:
            await self.more.wait()
            while self.waiting:
                await self.socket.send(self.waiting[0])
                self.waiting.pop(0)
            self.more.clear()


class RoomActor:
    def __init__(self, history):
        self.mailbox = asyncio.Queue()
        self.seats: list[Seat] = []
        self.history = history
        self.said: list[dict] = []
        self.count = 0

    async def run(self):
        while True:
            what, *rest = await self.mailbox.get()
            getattr(self, what)(*rest)

    def present(self):
        return {seat.name for seat in self.seats}

    def come(self, seat, after):
        news = seat.name not in self.present()
        past = [m for m in self.said if m["id"] > after]
        names = sorted(self.present() | {seat.name})
        seat.give({"type": "welcome", "names": names, "messages": past})
        if news:
            self.all({"type": "joined", "name": seat.name})
        self.seats = [*self.seats, seat]

    def go(self, seat):
        if any(other is seat for other in self.seats):
            self.seats = [other for other in self.seats if other is not seat]
            if seat.name not in self.present():
                self.all({"type": "left", "name": seat.name})

    def say(self, seat, key, text):
        for message in self.said:
            if message["name"] == seat.name and message["key"] == key:
                return
        self.count += 1
        message = {"type": "message", "id": self.count, "name": seat.name, "key": key, "text": text}
        self.said = [*self.said, message][-self.history :] if self.history else []
        self.all(message)

    def all(self, event):
        for seat in self.seats:  # never changed, only replaced
            if not seat.give(event):
                seat.socket.transport.abort()
                self.go(seat)


@asynccontextmanager
async def serve_chat(host, port, *, history=50, backlog=100, heartbeat=20.0):
    rooms: dict[str, RoomActor] = {}
    async with asyncio.TaskGroup() as actors, AsyncExitStack() as stack:

        async def handler(socket):
            try:
                match json.loads(text_only(await socket.recv())):
                    case {"type": "join", "room": str(room_name), "name": str(name), **rest}:
                        after = rest.get("after", 0)
                    case _:
                        raise ValueError("join first")
                if not isinstance(after, int):
                    raise ValueError("after")
            except websockets.ConnectionClosed:
                return
            except ValueError:
                await socket.close(1008)
                return
            if room_name not in rooms:
                rooms[room_name] = RoomActor(history)
                running.append(actors.create_task(rooms[room_name].run()))
            post = rooms[room_name].mailbox.put_nowait
            seat = Seat(name, socket, backlog)
            post(("come", seat, after))
            code = None
            deliver = asyncio.create_task(seat.deliver())
            try:
                while code is None:
                    code = await one(socket, seat, post)
            except websockets.ConnectionClosed:
                pass
            finally:
                post(("go", seat))
                deliver.cancel()
                await asyncio.gather(deliver, return_exceptions=True)
            if code:
                await socket.close(code)

        async def one(socket, seat, post):
            text = await socket.recv()
            try:
                event = json.loads(text_only(text))
            except ValueError:
                return 1008
            match event:
                case {"type": "say", "key": str(key), "text": str(text)}:
                    post(("say", seat, key, text))
                case {"type": "ping", "at": at}:
                    await socket.send(json.dumps({"type": "pong", "at": at}))
                case _:
                    return 1008
            return None

        running: list[asyncio.Task] = []
        server = await stack.enter_async_context(
            serve(handler, host, port, ping_interval=heartbeat, ping_timeout=heartbeat)
        )
        yield server
        await stack.aclose()
        for task in running:
            task.cancel()


def text_only(text):
    if isinstance(text, bytes):
        raise ValueError("text only")
    return text
