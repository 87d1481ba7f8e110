"""Wakes one waiter, and leaves the connection among the idle ones for it.

Nothing is lost if the waiter is cancelled instead of running; only, nobody wakes the next.

mistake: lost-wakeup
fails: test_cancelled_as_it_is_woken
"""

import asyncio
from contextlib import asynccontextmanager


class Pool:
    def __init__(self, connect, *, size):
        self.connect = connect
        self.size = size
        self.open = 0
        self.idle = []
        self.waiters = []

    def wake(self):
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
                break

    async def wait(self):
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        try:
            await waiter
        finally:
            self.waiters.remove(waiter)

    @asynccontextmanager
    async def connection(self):
        while not self.idle and self.open >= self.size:
            await self.wait()
        if self.idle:
            connection = self.idle.pop()
        else:
            self.open += 1
            try:
                connection = await self.connect()
            except BaseException:
                self.open -= 1
                self.wake()
                raise
        try:
            yield connection
        finally:
            self.idle.append(connection)
            self.wake()
