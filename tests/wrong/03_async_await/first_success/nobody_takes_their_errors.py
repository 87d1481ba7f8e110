"""Waits for the losers, and never looks at how they ended.

A loser that fails while it closes its connection keeps its exception for somebody who will ask.
Nobody does, and asyncio writes "Task exception was never retrieved" into the log, far from here.

mistake: lost-exception
fails: test_what_the_others_raise_is_dropped
"""

import asyncio
import contextlib


async def first_success(mirrors):
    if not mirrors:
        raise ValueError("no mirrors")
    first = asyncio.get_running_loop().create_future()
    errors = []

    async def ask(mirror):
        answer = await mirror()
        if not first.done():
            first.set_result(answer)

    def note(task):
        if first.done() or task.cancelled():
            return
        if error := task.exception():
            errors.append(error)
        if len(errors) == len(mirrors):
            first.set_exception(ExceptionGroup("every mirror failed", errors))

    tasks = [asyncio.create_task(ask(mirror)) for mirror in mirrors]
    for task in tasks:
        task.add_done_callback(note)
    try:
        return await first
    finally:
        for task in tasks:
            task.cancel()
        cancelled = False
        while any(not task.done() for task in tasks):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(tasks)
                continue
            cancelled = True
        if cancelled:
            raise asyncio.CancelledError
