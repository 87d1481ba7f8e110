"""Frees the place if an opening is cancelled, and tells nobody who waits for it.

mistake: none
fails: test_however_it_is_left_who_waits_is_next
"""

import asyncio
from contextlib import asynccontextmanager


class Pool:
    def __init__(self, connect, *, size):
        self.connect = connect
        self.free = size  # places for connections that are not open yet
        self.idle = []
        self.changed = asyncio.Condition()

    @asynccontextmanager
    async def connection(self):
        connection = await self.take()
        try:
            yield connection
        finally:
            self.idle.append(connection)
            await self.tell()

    async def take(self):
        async with self.changed:
            try:
                await self.changed.wait_for(lambda: self.idle or self.free)
            except asyncio.CancelledError:
                # It may have been our turn. (Python 3.13 does this by itself.)
                self.changed.notify()
                raise
            if self.idle:
                return self.idle.pop()
            self.free -= 1
        try:
            return await self.connect()
        except Exception:
            self.free += 1
            await self.tell()
            raise
        except BaseException:
            self.free += 1
            raise

    async def tell(self):
        async with self.changed:
            self.changed.notify()
