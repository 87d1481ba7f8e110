"""Is anything left running that nobody needs any more? A sleep tells."""

from __future__ import annotations

import asyncio

from autograder.simulation import World


async def callbacks_of_a_sleep(world: World, seconds: float) -> int:
    """How many callbacks the loop runs while this task sleeps for so many virtual seconds.

    Compare two sleeps: a timer or a task that is left over from what came between shows as more.
    """
    for _ in range(5):
        await asyncio.sleep(0)  # what has ended says goodbye
    before = world.loop.steps
    await asyncio.sleep(seconds)
    return world.loop.steps - before
