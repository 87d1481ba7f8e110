"""Cancels the losers and waits for them with asyncio.wait, which gives up when it is cancelled.

Nearly right. But asyncio.wait only watches: if the caller's patience ends during the clean-up, wait
is interrupted, and the losers are left to themselves. gather would have gone on waiting for them.

mistake: leaked-task
fails: test_cancelled_at_any_moment_it_leaves_nothing_running
"""

import asyncio


async def first_success(mirrors):
    if not mirrors:
        raise ValueError("no mirrors given")

    tasks = [asyncio.create_task(m()) for m in mirrors]
    errors = []
    try:
        for result in asyncio.as_completed(tasks):
            try:
                return await result
            except Exception as e:
                errors.append(e)
        raise ExceptionGroup("no mirror works", errors)
    finally:
        for t in tasks:
            t.cancel()
        await asyncio.wait(tasks)
        for t in tasks:
            if not t.cancelled():
                t.exception()
