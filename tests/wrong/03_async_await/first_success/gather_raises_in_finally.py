"""Waits for the losers with a plain gather, which goes no further than the first error.

That error comes out of the `finally` in place of the answer, be it an old failure or the losers'
own cancellation; and the other losers are still tidying up.

mistake: leaked-task
fails: test_cancelled_at_any_moment_it_leaves_nothing_running,
    test_the_first_answer_is_the_result, test_all_are_asked_at_once, test_a_failure_is_no_answer,
    test_a_failure_and_an_answer_in_one_moment, test_any_value_is_an_answer,
    test_the_others_have_ended_when_it_returns, test_what_the_others_raise_is_dropped,
    test_all_failing_reports_all, test_cancelled_before_an_answer_it_says_so,
    test_one_mirror_that_fails_is_reported_in_a_group
"""

import asyncio


async def first_success(mirrors):
    if not mirrors:
        raise ValueError("no mirrors")
    tasks = [asyncio.create_task(mirror()) for mirror in mirrors]
    errors = []
    try:
        for finished in asyncio.as_completed(tasks):
            try:
                return await finished
            except Exception as error:
                errors.append(error)
        raise ExceptionGroup("all failed", errors)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
