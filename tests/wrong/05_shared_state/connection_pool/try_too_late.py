"""Takes a place, opens a connection, and only then begins the try that gives the place back.

mistake: leaked-permit
fails: test_a_failed_connect_leaves_its_place_free, test_a_failed_connect_is_followed_by_the_next,
    test_cancelled_anywhere_the_place_is_free, test_cancelled_as_it_is_woken,
    test_however_it_is_left_who_waits_is_next
"""

import asyncio
from contextlib import asynccontextmanager


class Pool:
    def __init__(self, connect, *, size):
        self.connect = connect
        self.semaphore = asyncio.Semaphore(size)
        self.idle = []

    @asynccontextmanager
    async def connection(self):
        await self.semaphore.acquire()
        connection = self.idle.pop() if self.idle else await self.connect()
        try:
            yield connection
        finally:
            self.idle.append(connection)
            self.semaphore.release()
