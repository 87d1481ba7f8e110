"""Looks at every task in a loop, and gives the others a turn with sleep(0) in between.

It finds the first success. Until then it keeps a whole processor busy with asking, and in a world
that has nothing else to do, time itself cannot move on.

mistake: livelock
fails: test_the_first_answer_is_the_result, test_all_are_asked_at_once,
    test_a_failure_is_no_answer, test_a_failure_and_an_answer_in_one_moment,
    test_any_value_is_an_answer, test_the_others_have_ended_when_it_returns,
    test_what_the_others_raise_is_dropped, test_all_failing_reports_all,
    test_cancelled_at_any_moment_it_leaves_nothing_running,
    test_cancelled_before_an_answer_it_says_so,
    test_one_mirror_that_fails_is_reported_in_a_group
"""

import asyncio


async def first_success(mirrors):
    if not mirrors:
        raise ValueError("no mirrors")
    tasks = [asyncio.create_task(mirror()) for mirror in mirrors]
    try:
        while True:
            finished = [task for task in tasks if task.done()]
            for task in finished:
                if task.exception() is None:
                    return task.result()
            if len(finished) == len(tasks):
                raise ExceptionGroup("every mirror failed", [t.exception() for t in tasks])
            await asyncio.sleep(0)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
