"""A state machine: each state is a coroutine that says which one comes next."""

import asyncio
import json
import random
from contextlib import AsyncExitStack

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

TRANSIENT = (OSError, EOFError, InvalidMessage, InvalidStatus, ConnectionClosed)


def give_up(error):
    match error:
        case InvalidStatus(response=response):
            return response.status_code != 429 and response.status_code // 100 == 4
        case ConnectionClosed(rcvd=rcvd):
            return rcvd is not None and rcvd.code == 1008
    return False


class Follower:
    def __init__(self, handle, where, after, waits, options):
        self.handle, self.where, self.last = handle, where, after
        self.base, self.cap = waits
        self.options = options
        self.exponent = 0
        self.stack = AsyncExitStack()
        self.todo = []

    async def run(self):
        state = self.connecting
        try:
            while True:
                state = await state()
        finally:
            await self.stack.aclose()

    async def connecting(self):
        url, join, patience = self.where
        try:
            self.connection = await self.stack.enter_async_context(
                connect(url, open_timeout=patience, **self.options)
            )
            await self.connection.send(json.dumps({**join, "after": self.last}))
            async with asyncio.timeout(patience):
                self.todo += json.loads(await self.connection.recv())["messages"]
        except TRANSIENT as error:
            return await self.lost(error)
        self.exponent = 0
        return self.handling

    async def handling(self):
        for message in self.todo:
            if message["id"] > self.last:
                await self.handle(message)
                self.last = message["id"]
        self.todo.clear()
        return self.listening

    async def listening(self):
        try:
            event = json.loads(await self.connection.recv())
        except TRANSIENT as error:
            return await self.lost(error)
        if event["type"] == "message":
            self.todo.append(event)
            return self.handling
        return self.listening

    async def lost(self, error):
        self.todo.clear()
        await self.stack.aclose()
        if give_up(error):
            raise error
        return self.waiting

    async def waiting(self):
        await asyncio.sleep(min(self.cap, self.base * 2.0**self.exponent) * random.random())
        self.exponent = min(self.exponent + 1, 60)
        return self.connecting


async def follow(
    url, room, name, handle, *, after=0, base=0.5, cap=30.0, heartbeat=20.0, patience=10.0
):
    join = {"type": "join", "room": room, "name": name}
    options = {"ping_interval": heartbeat, "ping_timeout": heartbeat}
    await Follower(handle, (url, join, patience), after, (base, cap), options).run()
