"""Waits for the jobs that there are when the block ends; asyncio.wait knows of no others.

Failures, the timeout and the clean-up are all there, and every program that starts its jobs in the
block is fine. A job that starts another one leaves it to chance how far that one gets.

mistake: lost-task
fails: test_a_job_started_late_is_waited_for, test_a_failing_job_ends_the_block,
    test_after_its_end_nothing_can_be_started, test_a_scope_leaves_no_cancellation_behind,
    test_all_exceptions_are_in_the_group
"""

import asyncio
from contextlib import asynccontextmanager


class Scope:
    def __init__(self):
        self.jobs = []

    def start(self, job):
        self.jobs.append(asyncio.create_task(job))
        return self.jobs[-1]


@asynccontextmanager
async def task_scope(seconds=None):
    scope = Scope()
    errors = []
    try:
        async with asyncio.timeout(seconds) as limit:
            yield scope
            if scope.jobs:
                await asyncio.wait(scope.jobs, return_when=asyncio.FIRST_EXCEPTION)
    except Exception as e:
        if limit.expired():
            raise
        errors.append(e)
    finally:
        for job in scope.jobs:
            job.cancel()
        outcomes = await asyncio.gather(*scope.jobs, return_exceptions=True)
    errors += [o for o in outcomes if isinstance(o, Exception)]
    if errors:
        raise ExceptionGroup("the report is worthless", errors)
