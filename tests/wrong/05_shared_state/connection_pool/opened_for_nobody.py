"""Shields connect() from cancellation: it is opened all the same, and nobody takes it.

mistake: leaked-permit
fails: test_cancelled_anywhere_the_place_is_free, test_cancelled_as_it_is_woken
"""

import asyncio
from contextlib import asynccontextmanager


class Pool:
    def __init__(self, connect, *, size):
        self.connect = connect
        self.places = asyncio.Semaphore(size)
        self.idle = []

    @asynccontextmanager
    async def connection(self):
        async with self.places:
            if self.idle:
                mine = self.idle.pop()
            else:
                mine = await asyncio.shield(self.connect())
            try:
                yield mine
            finally:
                self.idle.append(mine)
