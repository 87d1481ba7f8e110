"""Every mirror reports to a queue; the losers end in a shielded gather.

An odd style, and correct: outcomes arrive in the order in which they happen, and the clean-up is a
task of its own that a cancellation cannot reach.
"""

import asyncio
from functools import partial


async def report(queue, mirror):
    try:
        queue.put_nowait((True, await mirror()))
    except Exception as error:
        queue.put_nowait((False, error))


async def first_success(mirrors):
    if not mirrors:
        raise ValueError("nobody to ask")
    outcomes = asyncio.Queue()
    tasks = list(map(asyncio.create_task, map(partial(report, outcomes), mirrors)))
    errors = []
    try:
        for _ in tasks:
            succeeded, value = await outcomes.get()
            if succeeded:
                return value
            errors.append(value)
        raise ExceptionGroup("all mirrors failed", errors)
    finally:
        for task in tasks:
            task.cancel()
        clean_up = asyncio.gather(*tasks, return_exceptions=True)
        try:
            await asyncio.shield(clean_up)
        except asyncio.CancelledError:
            await clean_up
            raise
