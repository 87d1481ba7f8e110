"""Counts a connection when it is there, and not when it begins to open it.

Seven tasks look at the number in one moment, find 0, and open seven.

mistake: check-then-act
fails: test_there_are_never_more_than_size, test_what_comes_back_goes_to_who_waits,
    test_a_failed_connect_leaves_its_place_free, test_cancelled_anywhere_the_place_is_free,
    test_cancelled_as_it_is_woken
"""

import asyncio
from contextlib import asynccontextmanager


class Pool:
    def __init__(self, connect, *, size):
        self.connect = connect
        self.size = size
        self.connections = []
        self.idle = asyncio.Queue()

    @asynccontextmanager
    async def connection(self):
        if self.idle.empty() and len(self.connections) < self.size:
            connection = await self.connect()
            self.connections.append(connection)
        else:
            connection = await self.idle.get()
        try:
            yield connection
        finally:
            self.idle.put_nowait(connection)
