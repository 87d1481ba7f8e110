"""Gathers its jobs at the end of the block, and is careful about everything but a failure.

gather raises at the first failure, the scope is left, and the other jobs are still at work: for
nobody, and where nobody sees what becomes of them.

mistake: leaked-sibling
fails: test_one_failure_ends_the_others, test_a_failing_job_ends_the_block,
    test_a_failing_block_ends_the_jobs, test_all_exceptions_are_in_the_group,
    test_a_job_cancelled_by_hand_is_no_failure
"""

import asyncio
from contextlib import asynccontextmanager


class Scope:
    def __init__(self):
        self.tasks = []
        self.over = False

    def start(self, job):
        if self.over:
            raise RuntimeError("too late")
        task = asyncio.create_task(job)
        self.tasks.append(task)
        return task

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@asynccontextmanager
async def task_scope(seconds=None):
    scope = Scope()
    try:
        async with asyncio.timeout(seconds):
            try:
                yield scope
            except BaseException:
                await scope.stop()
                raise
            try:
                while not all(task.done() for task in scope.tasks):
                    await asyncio.gather(*scope.tasks)
            except asyncio.CancelledError:
                await scope.stop()
                raise
    finally:
        scope.over = True
