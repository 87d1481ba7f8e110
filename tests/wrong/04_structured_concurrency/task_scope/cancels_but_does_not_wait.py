"""Cancels the siblings of a job that fails, and raises at once, while they are still cleaning up.

A timeout and a cancellation from outside are thought of. But cancel() only asks, and on the way of
the exceptions nobody waits for the answer.

mistake: leaked-sibling
fails: test_one_failure_ends_the_others, test_a_failing_job_ends_the_block,
    test_all_exceptions_are_in_the_group, test_a_failing_block_ends_the_jobs
"""

import asyncio
from contextlib import asynccontextmanager


class Failed(Exception):
    pass


class Jobs:
    def __init__(self):
        self.tasks = set()
        self.open = True

    def start(self, job):
        if not self.open:
            raise RuntimeError("this scope has ended")
        task = asyncio.create_task(job)
        self.tasks.add(task)
        return task

    async def all_done(self):
        while any(not task.done() for task in self.tasks):
            await asyncio.wait(self.tasks, return_when=asyncio.FIRST_EXCEPTION)
            errors = [t.exception() for t in self.tasks if t.done() and not t.cancelled()]
            errors = [error for error in errors if error]
            if errors:
                raise ExceptionGroup("jobs failed", errors)

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@asynccontextmanager
async def task_scope(seconds=None):
    jobs = Jobs()
    try:
        async with asyncio.timeout(seconds):
            yield jobs
            await jobs.all_done()
    except Exception as error:
        if isinstance(error, TimeoutError):
            await jobs.stop()
            raise
        if not isinstance(error, ExceptionGroup):
            await jobs.stop()
            raise ExceptionGroup("the block failed", [error]) from None
        for task in jobs.tasks:
            task.cancel()
        raise
    except asyncio.CancelledError:
        await jobs.stop()
        raise
    finally:
        jobs.open = False
