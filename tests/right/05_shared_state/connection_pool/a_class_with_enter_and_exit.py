"""No generator: a class with `__aenter__` and `__aexit__`, and a semaphore acquired by hand."""

import asyncio


class Lease:
    def __init__(self, pool):
        self.pool = pool

    async def __aenter__(self):
        pool = self.pool
        await pool.places.acquire()
        try:
            self.mine = pool.idle.pop() if pool.idle else await pool.connect()
        except BaseException:
            pool.places.release()
            raise
        return self.mine

    async def __aexit__(self, *_):
        self.pool.idle.append(self.mine)
        self.pool.places.release()


class Pool:
    def __init__(self, connect, *, size):
        self.connect = connect
        self.places = asyncio.BoundedSemaphore(size)
        self.idle = []

    def connection(self):
        return Lease(self)
