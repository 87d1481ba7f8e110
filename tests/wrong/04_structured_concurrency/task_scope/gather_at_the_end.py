"""Gathers its jobs at the end of the block, with a timeout around it.

The most natural first version. gather raises at the first failure, the block is left, and the other
jobs are still at work: for nobody, and where nobody sees what becomes of them.

mistake: leaked-sibling
fails: test_one_failure_ends_the_others, test_a_job_started_late_is_waited_for,
    test_a_failing_job_ends_the_block, test_a_failing_block_ends_the_jobs,
    test_all_exceptions_are_in_the_group, test_the_deadline_ends_jobs_and_block,
    test_cancelled_at_any_moment_it_leaves_nothing_running,
    test_a_cancellation_goes_on_to_the_caller, test_a_job_cancelled_by_hand_is_no_failure,
    test_a_scope_leaves_no_cancellation_behind, test_after_its_end_nothing_can_be_started
"""

import asyncio


class task_scope:
    def __init__(self, seconds=None):
        self.seconds = seconds
        self.tasks = []

    def start(self, job):
        task = asyncio.create_task(job)
        self.tasks.append(task)
        return task

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc_info):
        async with asyncio.timeout(self.seconds):
            await asyncio.gather(*self.tasks)
