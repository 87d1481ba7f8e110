"""It knows what 408 means: the server asks for another try. So do 425 and 502, in other houses.

The brief has one exception, and every attempt at this server is answered with 408 again.

mistake: retries-everything
fails: test_a_clear_refusal_is_raised
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus


def delays(base: float, cap: float) -> Iterator[float]:
    bound = base
    while True:
        yield random.uniform(0.0, min(bound, cap))
        bound = min(bound * 2.0, cap)


@dataclass
class Feed:
    url: str
    room: str
    name: str
    heartbeat: float
    patience: float
    queue: asyncio.Queue = field(default_factory=lambda: asyncio.Queue(8))

    async def read(self, after: int) -> None:
        """Put events into the queue, and at the end None, or an exception that is final."""
        end = None
        try:
            async with connect(
                self.url,
                open_timeout=self.patience,
                ping_interval=self.heartbeat,
                ping_timeout=self.heartbeat,
                close_timeout=3,
            ) as connection:
                await self.welcome(connection, after)
                async for text in connection:
                    event = json.loads(text)
                    if event["type"] == "message":
                        await self.queue.put([event])
        except InvalidStatus as error:
            if error.response.status_code not in {408, 425, 429, *range(500, 600)}:
                end = error
        except ConnectionClosed as error:
            if error.rcvd and error.rcvd.code == 1008:
                end = error
        except (OSError, EOFError, InvalidHandshake):
            pass
        await self.queue.put(end)

    async def welcome(self, connection: ClientConnection, after: int) -> None:
        join = {"type": "join", "room": self.room, "name": self.name, "after": after}
        await connection.send(json.dumps(join))
        async with asyncio.timeout(self.patience):
            event = json.loads(await connection.recv())
        await self.queue.put(event["messages"])


async def follow(
    url, room, name, handle, *, after=0, base=0.5, cap=30.0, heartbeat=20.0, patience=10.0
):
    pauses = delays(base, cap)
    while True:
        feed = Feed(url, room, name, heartbeat, patience)
        reader = asyncio.create_task(feed.read(after))
        try:
            while (batch := await feed.queue.get()) is not None:
                if isinstance(batch, Exception):
                    raise batch
                pauses = delays(base, cap)
                for message in batch:
                    if message["id"] > after:
                        await handle(message)
                        after = message["id"]
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        await asyncio.sleep(next(pauses))
