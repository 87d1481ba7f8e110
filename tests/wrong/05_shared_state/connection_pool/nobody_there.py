"""Gives a connection to the first in line, and if they have gone home, to nobody.

mistake: leaked-permit
fails: test_cancelled_anywhere_the_place_is_free, test_cancelled_as_it_is_woken
"""

import asyncio
from collections import deque


class Pool:
    def __init__(self, connect, *, size):
        self.connect = connect
        self.size = size
        self.count = 0
        self.idle = []
        self.line = deque()

    def connection(self):
        return Lease(self)


class Lease:
    def __init__(self, pool):
        self.pool = pool

    async def __aenter__(self):
        pool = self.pool
        if pool.idle:
            self.connection = pool.idle.pop()
        elif pool.count < pool.size:
            pool.count += 1
            try:
                self.connection = await pool.connect()
            except BaseException:
                pool.count -= 1
                if pool.line:
                    pool.line.popleft().set_result(None)
                raise
        else:
            waiter = asyncio.get_running_loop().create_future()
            pool.line.append(waiter)
            self.connection = await waiter
            if self.connection is None:
                return await self.__aenter__()
        return self.connection

    async def __aexit__(self, *_):
        pool = self.pool
        if pool.line:
            waiter = pool.line.popleft()
            if not waiter.done():
                waiter.set_result(self.connection)
        else:
            pool.idle.append(self.connection)
