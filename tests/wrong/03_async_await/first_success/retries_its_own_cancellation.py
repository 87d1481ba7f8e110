"""Treats every exception as a failed mirror, its own cancellation included.

`except BaseException` was meant to be thorough. When the caller gives up, that is caught as well,
noted as an error, and the loop goes on to wait for the next mirror.

mistake: swallowed-cancellation
fails: test_cancelled_before_an_answer_it_says_so
"""

import asyncio


async def first_success(mirrors):
    if not mirrors:
        raise ValueError
    tasks = [asyncio.create_task(mirror()) for mirror in mirrors]
    errors = []
    try:
        for future in asyncio.as_completed(tasks):
            try:
                return await future
            except BaseException as problem:
                errors.append(problem)
        raise BaseExceptionGroup("every mirror failed", errors)
    finally:
        [task.cancel() for task in tasks]
        await asyncio.gather(*tasks, return_exceptions=True)
