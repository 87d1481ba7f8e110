"""A class with a method for each step, its own pings, its own generator of random numbers."""

import asyncio
import contextlib
import json
import logging
import random

import websockets
from websockets.asyncio.client import connect

log = logging.getLogger("follow")


class HandlerFailed(Exception):
    pass


class Follower:
    def __init__(self, url, room, name, handle, after, base, cap, heartbeat, patience):
        self.url, self.room, self.name, self.handle = url, room, name, handle
        self.last = after
        self.base, self.cap = base, cap
        self.heartbeat, self.patience = heartbeat, patience
        self.bound = base
        self.dice = random.Random()

    async def forever(self):
        while True:
            try:
                await self.session()
            except HandlerFailed as failed:
                raise failed.__cause__ from None
            except websockets.InvalidStatus as e:
                code = e.response.status_code
                if code // 100 == 4 and code != 429:
                    raise
                log.info("status %s", code)
            except websockets.ConnectionClosed as e:
                if e.rcvd and e.rcvd.code == 1008:
                    raise
                log.info("closed %s", e)
            except (TimeoutError, OSError, websockets.WebSocketException, EOFError) as e:
                log.info("failed %r", e)
            pause = self.dice.uniform(0.0, min(self.bound, self.cap))
            self.bound = min(self.bound * 2, max(self.cap, self.base))
            log.info("again in %.1f s", pause)
            await asyncio.sleep(pause)

    async def session(self):
        ws = await asyncio.wait_for(
            connect(
                self.url, open_timeout=None, ping_interval=None, close_timeout=2, compression=None
            ),
            self.patience,
        )
        pulse = asyncio.create_task(self.pulse(ws))
        try:
            await ws.send(
                json.dumps(
                    {"type": "join", "room": self.room, "name": self.name, "after": self.last}
                )
            )
            welcome = json.loads(await asyncio.wait_for(ws.recv(), self.patience))
            self.bound = self.base
            for message in welcome["messages"]:
                await self.take(message)
            while True:
                event = json.loads(await ws.recv())
                if event["type"] == "message":
                    await self.take(event)
        finally:
            pulse.cancel()
            await asyncio.gather(pulse, return_exceptions=True)
            await ws.close()

    async def pulse(self, ws):
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await asyncio.sleep(self.heartbeat)
                pong = await ws.ping()
                try:
                    await asyncio.wait_for(pong, self.heartbeat)
                except TimeoutError:
                    ws.transport.abort()
                    return

    async def take(self, message):
        if message["id"] <= self.last:
            return
        try:
            await self.handle(message)
        except Exception as e:
            raise HandlerFailed from e
        self.last = message["id"]


async def follow(
    url, room, name, handle, *, after=0, base=0.5, cap=30.0, heartbeat=20.0, patience=10.0
):
    await Follower(url, room, name, handle, after, base, cap, heartbeat, patience).forever()
