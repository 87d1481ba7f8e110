"""Gives the place back whatever happens, and the connection only after an Exception.

Who is cancelled while using one takes it along: it is open, and nobody knows it any more.

mistake: leaked-permit
fails: test_cancelled_anywhere_the_place_is_free, test_a_connection_is_used_again
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
            mine = self.idle.pop() if self.idle else await self.connect()
            try:
                yield mine
            except Exception:
                self.idle.append(mine)
                raise
            else:
                self.idle.append(mine)
