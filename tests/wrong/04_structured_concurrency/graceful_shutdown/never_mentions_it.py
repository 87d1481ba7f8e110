"""Treats its own cancellation as one more reason to shut down, and returns a summary at the end.

Everything is cleaned up, in the right order and to the end. Only whoever has cancelled it is never
told, and a group or a timeout around it is surprised.

mistake: swallowed-cancellation
fails: test_a_cancellation_goes_on_to_the_caller, test_cancelled_at_the_very_end_it_says_so
"""

import asyncio
import contextlib
import signal
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    done: int
    failed: int
    cancelled: int


async def to_the_end(work):
    task = asyncio.ensure_future(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    return task.result()


async def serve(receive, handle, clean_up, on_signal, *, grace=10.0):
    tasks = []

    async def intake():
        while True:
            tasks.append(asyncio.create_task(handle(await receive())))

    accepting = asyncio.create_task(intake())
    on_signal(signal.SIGTERM, accepting.cancel)
    try:
        await asyncio.wait([accepting])
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
    except asyncio.CancelledError:
        accepting.cancel()
    for task in tasks:
        task.cancel()
    results = await to_the_end(asyncio.gather(*tasks, return_exceptions=True))
    await to_the_end(clean_up())
    if accepting.done() and not accepting.cancelled():
        raise accepting.exception()
    cancelled = sum(isinstance(r, asyncio.CancelledError) for r in results)
    failed = sum(isinstance(r, Exception) for r in results)
    return Summary(len(results) - failed - cancelled, failed, cancelled)
