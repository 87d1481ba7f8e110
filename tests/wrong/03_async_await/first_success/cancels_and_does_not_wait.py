"""Cancels the losers and returns at once.

cancel() only asks. Each loser hears of it at its next turn, and then still has a file to close, so
the caller has the answer while the mirrors are tidying up behind its back.

mistake: leaked-task
fails: test_the_others_have_ended_when_it_returns, test_what_the_others_raise_is_dropped,
    test_cancelled_at_any_moment_it_leaves_nothing_running,
    test_cancelled_before_an_answer_it_says_so
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def first_success(mirrors: Sequence[Callable[[], Coroutine[Any, Any, T]]]) -> T:
    if not mirrors:
        raise ValueError("there is no mirror to ask")
    tasks = [asyncio.create_task(mirror()) for mirror in mirrors]
    errors: list[Exception] = []
    try:
        for earliest in asyncio.as_completed(tasks):
            try:
                return await earliest
            except Exception as error:
                errors.append(error)
    finally:
        for task in tasks:
            task.cancel()
    raise ExceptionGroup("all mirrors failed", errors)
