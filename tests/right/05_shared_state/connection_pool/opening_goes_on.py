"""Opens in tasks of their own: one that nobody waits for any more is idle."""

import asyncio
from contextlib import asynccontextmanager


class Pool:
    def __init__(self, connect, *, size):
        self.connect = connect
        self.free = size  # connections that may still be opened
        self.idle = []
        self.openings = set()
        self.waiting = []

    @asynccontextmanager
    async def connection(self):
        mine = await self.take()
        try:
            yield mine
        finally:
            self.hand_on(mine)

    async def take(self):
        if self.idle:
            return self.idle.pop()
        mine = asyncio.get_running_loop().create_future()
        self.waiting.append(mine)
        self.open_if_need_be()
        try:
            return await mine
        except asyncio.CancelledError:
            if mine in self.waiting:
                self.waiting.remove(mine)
            elif mine.done() and not mine.cancelled() and not mine.exception():
                self.hand_on(mine.result())
            raise

    def open_if_need_be(self):
        if self.free and len(self.waiting) > len(self.openings):
            self.free -= 1
            task = asyncio.create_task(self.connect())
            self.openings.add(task)
            task.add_done_callback(self.opened)

    def opened(self, task):
        self.openings.discard(task)
        if task.exception() is None:
            self.hand_on(task.result())
            return
        self.free += 1
        while self.waiting:
            first = self.waiting.pop(0)
            if not first.done():
                first.set_exception(task.exception())
                break
        self.open_if_need_be()

    def hand_on(self, connection):
        while self.waiting:
            first = self.waiting.pop(0)
            if not first.done():
                first.set_result(connection)
                return
        self.idle.append(connection)
