"""Share a few connections among many tasks.

A database allows so many connections and no more, and opening one takes a while. A pool keeps them:
a task takes one, uses it, and gives it back; if all are in use, it waits. It sounds like ten lines.
The trouble is with those who go away: tasks are cancelled while they wait for a connection, while
one is being opened for them, and in the very moment in which they get one. A pool that loses a
connection to each of them is empty in a week.

Write `Pool`.

Rules
  1. `async with pool.connection() as connection:` gives a connection that nobody else has until the
     block is left, however it is left. Then it goes back to the pool.
  2. There are never more than `size` connections. A new one is opened, by `await connect()`, only
     if none is idle and fewer than `size` are open or being opened. What has been opened is used
     again and again.
  3. If there is none to be had, the task waits. A connection that comes back goes to somebody who
     is waiting, if anybody is.
  4. Opening takes time. Meanwhile others take idle connections and give connections back.
  5. If `connect()` fails, its exception goes to the task that it was opened for, and the place is
     free for the next one.
  6. A task can be cancelled at any moment: while it waits, while its connection is being opened,
     while it uses it, and after it has been woken up, before it runs. It gets its CancelledError,
     and the pool is as good as before: every place can be used, and nobody waits for a connection
     that is idle.

Use what asyncio has: Semaphore, Condition, futures, whatever suits you.

Out of scope: closing connections, broken ones, timeouts, and who of several waiting tasks is first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

C = TypeVar("C")


class Pool(Generic[C]):
    """At most `size` connections, opened by `connect` when they are first needed."""

    def __init__(self, connect: Callable[[], Awaitable[C]], *, size: int) -> None:
        self.connect = connect
        self.size = size

    def connection(self) -> AbstractAsyncContextManager[C]:
        """A connection for the length of an `async with` block; waits for one if need be."""
        raise NotImplementedError
