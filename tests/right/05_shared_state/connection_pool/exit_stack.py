"""An exit stack, a task for the opening, and a semaphore that is made when it is first needed."""

import asyncio
import contextlib
import logging

log = logging.getLogger("pool")


class Pool:
    def __init__(self, connect, *, size):
        self.connect, self.size = connect, size
        self.places = None
        self.idle = []

    @contextlib.asynccontextmanager
    async def connection(self):
        if self.places is None:
            self.places = asyncio.BoundedSemaphore(self.size)
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.places)
            log.debug("a place")
            if self.idle:
                mine = self.idle.pop(0)
            else:
                mine = await asyncio.create_task(self.connect())
            stack.callback(self.idle.append, mine)
            yield mine
