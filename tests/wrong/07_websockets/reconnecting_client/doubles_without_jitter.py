"""Exponential backoff by the book: half a second, one, two, four, up to the cap.

By half of the book. The clients are turned away together, wait for the same time, and come back
together, less often and all at once.

mistake: reconnect-storm
fails: test_a_herd_spreads_out, test_waits_are_random_and_bounded, test_waits_grow_until_the_cap
"""

import asyncio
import json

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus


class HandlerFailed(Exception):
    """Carries what handle raised past the errors of the connection."""


def is_final(error):
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        return 400 <= status < 500 and status != 429
    if isinstance(error, ConnectionClosed):
        return error.rcvd is not None and error.rcvd.code == 1008
    return not isinstance(error, (OSError, EOFError, InvalidMessage))


class Client:
    def __init__(self, url, join, handle, heartbeat, patience):
        self.url = url
        self.join = join
        self.handle = handle
        self.heartbeat = heartbeat
        self.patience = patience
        self.last = join["after"]
        self.failures = 0

    async def run_once(self):
        async with connect(
            self.url,
            open_timeout=self.patience,
            ping_interval=self.heartbeat,
            ping_timeout=self.heartbeat,
        ) as connection:
            await connection.send(json.dumps({**self.join, "after": self.last}))
            async with asyncio.timeout(self.patience):
                welcome = json.loads(await connection.recv())
            self.failures = 0
            for message in welcome["messages"]:
                await self.take(message)
            async for text in connection:
                event = json.loads(text)
                if event["type"] == "message":
                    await self.take(event)

    async def take(self, message):
        if message["id"] <= self.last:
            return
        try:
            await self.handle(message)
        except Exception as error:
            raise HandlerFailed from error
        self.last = message["id"]


async def follow(
    url, room, name, handle, *, after=0, base=0.5, cap=30.0, heartbeat=20.0, patience=10.0
):
    join = {"type": "join", "room": room, "name": name, "after": after}
    client = Client(url, join, handle, heartbeat, patience)
    while True:
        try:
            await client.run_once()
        except HandlerFailed as failed:
            raise failed.__cause__ from None
        except Exception as error:
            if is_final(error):
                raise
        await asyncio.sleep(min(cap, base * 2 ** min(client.failures, 20)))
        client.failures += 1
