"""Takes the first success and returns; the other mirrors are still downloading.

It works in every demo. In a server, each call leaves tasks behind that hold connections and memory,
until the slowest mirror has answered a question that nobody asks any more.

mistake: leaked-task
fails: test_the_others_have_ended_when_it_returns, test_what_the_others_raise_is_dropped,
    test_cancelled_at_any_moment_it_leaves_nothing_running,
    test_cancelled_before_an_answer_it_says_so, test_the_first_answer_is_the_result,
    test_a_failure_is_no_answer, test_a_failure_and_an_answer_in_one_moment,
    test_any_value_is_an_answer
"""

import asyncio


async def first_success(mirrors):
    if not mirrors:
        raise ValueError("no mirrors")
    errors = []
    pending = {asyncio.create_task(mirror()) for mirror in mirrors}
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.exception() is None:
                return task.result()
            errors.append(task.exception())
    raise ExceptionGroup("every mirror failed", errors)
