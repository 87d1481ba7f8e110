"""Futures, and a connection that is handed from one to the next; a class for each lease.

Whoever is cancelled with a connection in hand passes it on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Generic, TypeVar

C = TypeVar("C")


class Lease(Generic[C]):
    def __init__(self, pool: Pool[C]) -> None:
        self.pool = pool

    async def __aenter__(self) -> C:
        self.connection = await self.pool.acquire()
        return self.connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.pool.release(self.connection)


class Pool(Generic[C]):
    def __init__(self, connect, *, size: int) -> None:
        self.connect = connect
        self.unopened = size
        self.idle: list[C] = []
        self.waiters: deque[asyncio.Future[C | None]] = deque()

    def connection(self) -> Lease[C]:
        return Lease(self)

    async def acquire(self) -> C:
        if self.idle:
            return self.idle.pop()
        if self.unopened:
            self.unopened -= 1
            given = None
        else:
            given = await self.wait()
        if given is not None:
            return given
        try:
            return await self.connect()
        except BaseException:
            self.release(None)
            raise

    async def wait(self) -> C | None:
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.release(waiter.result())
            raise

    def release(self, connection: C | None) -> None:
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection is None:
            self.unopened += 1
        else:
            self.idle.append(connection)
