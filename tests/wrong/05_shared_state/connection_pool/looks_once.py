"""Looks, waits to be told, and then takes it for granted: `if` where a `while` belongs.

Between the telling and the waking somebody else may have come. Whoever gives a connection back and
wants one again at once is the first to come.

mistake: check-then-act
fails: test_one_who_comes_back_at_once_makes_no_more, test_cancelled_as_it_is_woken
"""

import asyncio
from contextlib import asynccontextmanager


class Pool:
    def __init__(self, connect, *, size):
        self.connect = connect
        self.size = size
        self.opened = 0
        self.idle = []
        self.changed = asyncio.Condition()

    @asynccontextmanager
    async def connection(self):
        mine = await self.take()
        try:
            yield mine
        finally:
            self.idle.append(mine)
            await self.tell()

    async def take(self):
        async with self.changed:
            if not self.idle and self.opened == self.size:
                try:
                    await self.changed.wait()
                except asyncio.CancelledError:
                    self.changed.notify()
                    raise
            if self.idle:
                return self.idle.pop()
            self.opened += 1
        try:
            return await self.connect()
        except BaseException:
            self.opened -= 1
            await self.tell()
            raise

    async def tell(self):
        async with self.changed:
            self.changed.notify()
