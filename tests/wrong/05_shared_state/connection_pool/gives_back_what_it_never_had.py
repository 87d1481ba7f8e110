"""Acquires inside the `try` that releases: whoever is cancelled in line gives back a place, too.

The pool grows by one with each of them.

mistake: over-release
fails: test_cancelled_anywhere_the_place_is_free, test_cancelled_as_it_is_woken
"""

import asyncio


class Lease:
    def __init__(self, pool):
        self.pool = pool

    async def __aenter__(self):
        pool = self.pool
        try:
            await pool.places.acquire()
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
        self.places = asyncio.Semaphore(size)
        self.idle = []

    def connection(self):
        return Lease(self)
