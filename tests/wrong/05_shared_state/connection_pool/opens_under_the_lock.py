"""Opens connections while it holds the lock of its condition: safe, and everybody waits outside.

mistake: global-lock
fails: test_opening_one_holds_up_nobody
"""

import asyncio
from contextlib import asynccontextmanager


class Pool:
    def __init__(self, connect, *, size):
        self.connect = connect
        self.size = size
        self.open = 0
        self.idle = []
        self.condition = asyncio.Condition()

    @asynccontextmanager
    async def connection(self):
        async with self.condition:
            try:
                while not self.idle and self.open == self.size:
                    await self.condition.wait()
            except asyncio.CancelledError:
                self.condition.notify()
                raise
            if not self.idle:
                self.idle.append(await self.connect())
                self.open += 1
            connection = self.idle.pop()
        try:
            yield connection
        finally:
            self.idle.append(connection)
            async with self.condition:
                self.condition.notify()
