"""One event for all: whatever comes back wakes everybody, and whoever comes first takes it.

Wasteful with thousands of tasks. But nobody's wake-up can be lost, because it is everybody's.
"""

import asyncio
from contextlib import asynccontextmanager


class Pool:
    def __init__(self, connect, *, size):
        self.connect, self.size = connect, size
        self.busy = 0
        self.idle = set()
        self.changed = asyncio.Event()

    def put_back(self, *connections):
        self.busy -= 1
        self.idle.update(connections)
        self.changed.set()
        self.changed = asyncio.Event()

    @asynccontextmanager
    async def connection(self):
        while self.busy == self.size:
            await self.changed.wait()
        self.busy += 1
        mine = []
        try:
            mine.append(self.idle.pop() if self.idle else await self.connect())
            yield mine[0]
        finally:
            self.put_back(*mine)
