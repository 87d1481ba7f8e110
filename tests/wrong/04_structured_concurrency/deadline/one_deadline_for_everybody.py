"""The moment is kept in a variable of the module. With one visitor at a time it is always right.

mistake: context-in-a-global
fails: test_each_visitor_has_a_deadline_of_their_own
"""

import asyncio
from contextlib import asynccontextmanager

current = None


@asynccontextmanager
async def deadline(seconds):
    global current
    outer = current
    until = asyncio.get_running_loop().time() + seconds
    current = until if outer is None else min(outer, until)
    try:
        async with asyncio.timeout_at(until):
            yield
    finally:
        current = outer


def time_left():
    if current is None:
        return None
    return max(0.0, current - asyncio.get_running_loop().time())


async def call(service, *, at_most=None):
    left = time_left()
    if left == 0.0:
        raise TimeoutError("too late")
    seconds = min(filter(lambda x: x is not None, (left, at_most)), default=None)
    async with asyncio.timeout(seconds):
        return await service(seconds)
