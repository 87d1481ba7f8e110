"""A queue of slots, None for one that has no connection yet. What is taken out has to go back.

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
        self.slots = asyncio.LifoQueue()
        for _ in range(size):
            self.slots.put_nowait(None)

    @asynccontextmanager
    async def connection(self):
        connection = await self.slots.get()
        if connection is None:
            connection = await self.connect()
        try:
            yield connection
        finally:
            self.slots.put_nowait(connection)
