"""A queue of places; an empty place is None, and goes back to the queue if it stays empty.

Last in, first out, so that connections are used before empty places are.
"""

import asyncio
import contextlib


class Pool:
    def __init__(self, connect, *, size):
        self.connect = connect
        self.places = asyncio.LifoQueue(size)
        for _ in range(size):
            self.places.put_nowait(None)

    @contextlib.asynccontextmanager
    async def connection(self):
        place = await self.places.get()
        try:
            if place is None:
                place = await self.connect()
            yield place
        finally:
            self.places.put_nowait(place)
