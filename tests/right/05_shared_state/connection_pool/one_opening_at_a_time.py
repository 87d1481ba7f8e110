"""A lock around the opening alone: idle connections are taken, and given back, without it."""

import asyncio
from contextlib import asynccontextmanager


class Pool:
    """Opens one at a time."""

    def __init__(self, connect, *, size):
        self.connect = connect
        self.places = asyncio.Semaphore(size)
        self.opening = asyncio.Lock()
        self.idle = asyncio.Queue()

    @asynccontextmanager
    async def connection(self):
        async with self.places:
            try:
                mine = self.idle.get_nowait()
            except asyncio.QueueEmpty:
                async with self.opening:
                    mine = await self.connect() if self.idle.empty() else self.idle.get_nowait()
            try:
                yield mine
            finally:
                self.idle.put_nowait(mine)
