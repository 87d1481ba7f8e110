"""Takes an answer that is an exception for a failure, although nobody has raised it.

mistake: none
fails: test_any_value_is_an_answer
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def first_success(mirrors: Sequence[Callable[[], Coroutine[Any, Any, T]]]) -> T:
    """Return the first result any of `mirrors` gives; the others are cancelled and have ended."""
    if not mirrors:
        raise ValueError("there is no mirror to ask")
    tasks = [asyncio.create_task(mirror()) for mirror in mirrors]
    try:
        errors: list[Exception] = []
        for finished in asyncio.as_completed(tasks):
            try:
                answer = await finished
                if isinstance(answer, Exception):
                    raise answer
                return answer
            except Exception as error:
                errors.append(error)
        raise ExceptionGroup("every mirror failed", errors)
    finally:
        # Also on the way out with a result, and when we are cancelled ourselves.
        for task in tasks:
            task.cancel()
        # cancel() only asks. With return_exceptions, gather waits until each has cleaned up, takes
        # their errors, and keeps waiting even if we are cancelled here: asyncio.wait would not.
        await asyncio.gather(*tasks, return_exceptions=True)
