"""A TaskGroup in which the first failure ends all.

The group does what it is for: when one child fails, the others are cancelled. Here the children are
alternatives, not parts, and the failure of one is no reason to give up the rest.

mistake: first-finished-not-first-success
fails: test_a_failure_is_no_answer, test_any_value_is_an_answer, test_all_failing_reports_all,
    test_cancelled_at_any_moment_it_leaves_nothing_running,
    test_cancelled_before_an_answer_it_says_so
"""

import asyncio
from typing import Any


class Winner(Exception):
    def __init__(self, answer: Any) -> None:
        self.answer = answer


async def run(mirror):
    raise Winner(await mirror())


async def first_success(mirrors):
    if not mirrors:
        raise ValueError("no mirrors")
    try:
        async with asyncio.TaskGroup() as tg:
            for mirror in mirrors:
                tg.create_task(run(mirror))
    except ExceptionGroup as group:
        for error in group.exceptions:
            if isinstance(error, Winner):
                return error.answer
        raise
