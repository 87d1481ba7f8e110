"""A Budget object in a context variable; deadlines are nested by asyncio's own timeouts."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    until: float = float("inf")

    def left(self):
        return max(0.0, self.until - asyncio.get_running_loop().time())

    def at_most(self, seconds):
        return Budget(min(self.until, asyncio.get_running_loop().time() + seconds))


unlimited = Budget()
budget = ContextVar("budget", default=unlimited)


@asynccontextmanager
async def deadline(seconds):
    before = budget.get()
    mine = before.at_most(seconds)
    budget.set(mine)
    try:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(asyncio.timeout_at(mine.until))
            yield mine
    finally:
        budget.set(before)


def time_left():
    left = budget.get().left()
    return None if left == float("inf") else left


async def call(service, *, at_most=None):
    mine = budget.get() if at_most is None else budget.get().at_most(at_most)
    if mine.left() <= 0.0:
        raise TimeoutError("no time left")
    if mine.until == float("inf"):
        return await service(None)
    async with asyncio.timeout_at(mine.until):
        return await service(mine.left())
