"""Hands a connection over by setting the result of a waiter's future.

If the waiter is cancelled before it runs, the connection is the result of a future that nobody
looks at any more.

mistake: lost-wakeup
fails: test_cancelled_as_it_is_woken
"""

import asyncio
from collections import deque
from contextlib import asynccontextmanager


class Pool:
    def __init__(self, connect, *, size):
        self.connect = connect
        self.free_places = size
        self.idle = []
        self.waiters = deque()

    @asynccontextmanager
    async def connection(self):
        connection = await self.take()
        try:
            yield connection
        finally:
            self.give(connection)

    async def take(self):
        if self.idle:
            return self.idle.pop()
        if self.free_places:
            self.free_places -= 1
            return await self.open()
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        connection = await waiter
        return await self.open() if connection is None else connection

    async def open(self):
        try:
            return await self.connect()
        except BaseException:
            self.give(None)
            raise

    def give(self, connection):
        """Give a connection, or a place for one (None), to the next in line."""
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection is None:
            self.free_places += 1
        else:
            self.idle.append(connection)
