"""Takes whichever mirror is done first, and FIRST_COMPLETED means done: a failure counts.

Fine as long as every mirror works, which is when nobody needs several.

mistake: first-finished-not-first-success
fails: test_a_failure_is_no_answer, test_all_are_asked_at_once, test_any_value_is_an_answer,
    test_a_failure_and_an_answer_in_one_moment, test_all_failing_reports_all,
    test_cancelled_at_any_moment_it_leaves_nothing_running,
    test_cancelled_before_an_answer_it_says_so,
    test_one_mirror_that_fails_is_reported_in_a_group
"""

import asyncio


async def first_success(mirrors):
    if not mirrors:
        raise ValueError("mirrors is empty")
    tasks = [asyncio.ensure_future(mirror()) for mirror in mirrors]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
