"""Gives the place back if connect() fails, in `except Exception`: being cancelled is none.

mistake: leaked-permit
fails: test_cancelled_anywhere_the_place_is_free, test_however_it_is_left_who_waits_is_next
"""

import asyncio
from contextlib import asynccontextmanager


class Pool:
    def __init__(self, connect, *, size):
        self.connect = connect
        self.places = asyncio.BoundedSemaphore(size)
        self.idle = []

    async def take(self):
        await self.places.acquire()
        if self.idle:
            return self.idle.pop()
        try:
            return await self.connect()
        except Exception:
            self.places.release()
            raise

    @asynccontextmanager
    async def connection(self):
        connection = await self.take()
        try:
            yield connection
        finally:
            self.idle.append(connection)
            self.places.release()
