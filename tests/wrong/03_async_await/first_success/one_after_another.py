"""A failover, not a race: the second mirror is asked when the first has failed.

Reads well, fails over correctly, and is as slow as the slowest mirror that happens to be listed
first.

mistake: sequential-awaits
fails: test_all_are_asked_at_once, test_the_first_answer_is_the_result,
    test_a_failure_is_no_answer, test_the_others_have_ended_when_it_returns
"""


async def first_success(mirrors):
    if not mirrors:
        raise ValueError("no mirrors")
    errors = []
    for mirror in mirrors:
        try:
            return await mirror()
        except Exception as error:
            errors.append(error)
    raise ExceptionGroup("every mirror failed", errors)
