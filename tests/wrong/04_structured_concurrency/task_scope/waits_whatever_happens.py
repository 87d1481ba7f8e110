"""Is determined to wait for its jobs, and takes its own cancellation for one more interruption.

The loop does go on waiting, as it should. But the CancelledError is gone, and the caller runs on as
if nobody had asked it to stop.

mistake: swallowed-cancellation
fails: test_a_cancellation_goes_on_to_the_caller
"""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace


async def all_over(tasks):
    while not all(task.done() for task in tasks):
        try:
            await asyncio.wait([task for task in tasks if not task.done()])
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()


@asynccontextmanager
async def task_scope(seconds=None):
    tasks = []

    async with asyncio.timeout(seconds) as limit, asyncio.TaskGroup() as group:

        def start(job):
            task = group.create_task(job)
            tasks.append(task)
            return task

        yield SimpleNamespace(start=start)
        await all_over(tasks)
        if limit.when() is not None and asyncio.get_running_loop().time() >= limit.when():
            raise asyncio.CancelledError
