"""A task reads from the connection into a queue, and remembers the last id that has come.

Another one handles what is in the queue. When the connection breaks, some of it still waits, and
the queue goes with the connection. Their ids are behind the one that is asked for next.

mistake: gap-on-reconnect
fails: test_a_broken_connection_costs_nothing, test_crashed_anywhere_it_can_go_on
"""

import asyncio
import json
import random

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
            queue = asyncio.Queue()
            for message in welcome["messages"]:
                self.take(queue, message)
            worker = asyncio.create_task(self.work(queue))
            reader = asyncio.create_task(self.read(connection, queue))
            try:
                await asyncio.wait([worker, reader], return_when=asyncio.FIRST_COMPLETED)
                if worker.done():
                    await worker
                await reader
            finally:
                worker.cancel()
                reader.cancel()
                await asyncio.gather(worker, reader, return_exceptions=True)

    async def read(self, connection, queue):
        async for text in connection:
            event = json.loads(text)
            if event["type"] == "message":
                self.take(queue, event)

    def take(self, queue, message):
        if message["id"] > self.last:
            self.last = message["id"]
            queue.put_nowait(message)

    async def work(self, queue):
        while True:
            message = await queue.get()
            try:
                await self.handle(message)
            except Exception as error:
                raise HandlerFailed from error


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
        bound = min(cap, base * 2 ** min(client.failures, 20))
        await asyncio.sleep(random.uniform(0, bound))
        client.failures += 1
