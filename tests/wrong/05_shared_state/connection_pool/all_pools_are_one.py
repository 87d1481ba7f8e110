"""The list of idle connections belongs to the class: all pools of the program share it.

mistake: none
fails: test_there_are_never_more_than_size, test_however_it_is_left_who_waits_is_next,
    test_cancelled_as_it_is_woken, test_a_connection_is_used_again
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

C = TypeVar("C")


class Pool(Generic[C]):
    """At most `size` connections, opened by `connect` when they are first needed."""

    _idle: list = []  # noqa: RUF012

    def __init__(self, connect: Callable[[], Awaitable[C]], *, size: int) -> None:
        self.connect = connect
        self.size = size
        # A place for each connection that is in use or being opened. The semaphore passes a place
        # on if whoever was woken for it is cancelled before it runs.
        self._places = asyncio.Semaphore(size)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[C]:
        """A connection for the length of an `async with` block; waits for one if need be."""
        async with self._places:  # given back whatever happens below, connect() included
            # Whoever has a place finds an idle connection, or may open one: idle ones and places
            # taken are never more than `size` together.
            connection = self._idle.pop() if self._idle else await self.connect()
            try:
                yield connection
            finally:
                self._idle.append(connection)  # no await on the way back: nothing to be cancelled
