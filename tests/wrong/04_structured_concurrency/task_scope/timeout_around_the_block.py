"""Both are there, in the wrong order: the timeout has ended when the waiting begins.

mistake: deadline-not-enforced
fails: test_the_deadline_ends_jobs_and_block, test_no_time_is_a_limit_too
"""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace


@asynccontextmanager
async def task_scope(seconds=None):
    async with asyncio.TaskGroup() as group:
        async with asyncio.timeout(seconds):
            yield SimpleNamespace(start=group.create_task)
