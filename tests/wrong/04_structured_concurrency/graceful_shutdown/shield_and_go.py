"""Shields clean_up, and leaves it alone.

shield protects the task inside, and not the one that waits: that one gets its CancelledError at
once and is gone. clean_up goes on, until asyncio.run, an instant later, cancels whatever is left.

mistake: cleanup-cancelled
fails: test_a_cancellation_goes_on_to_the_caller, test_cancelled_at_any_moment_it_cleans_up,
    test_cancelled_at_the_very_end_it_says_so
"""

import asyncio
import signal
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    done: int
    failed: int
    cancelled: int


async def serve(receive, handle, clean_up, on_signal, *, grace=10.0):
    tasks = []

    async def intake():
        while True:
            tasks.append(asyncio.create_task(handle(await receive())))

    async def shut_down():
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await clean_up()
        return outcomes

    accepting = asyncio.create_task(intake())
    on_signal(signal.SIGTERM, accepting.cancel)
    try:
        await asyncio.wait([accepting])
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
    finally:
        accepting.cancel()
        results = await asyncio.shield(shut_down())
    if not accepting.cancelled():
        raise accepting.exception()
    cancelled = sum(isinstance(r, asyncio.CancelledError) for r in results)
    failed = sum(isinstance(r, Exception) for r in results)
    return Summary(len(results) - failed - cancelled, failed, cancelled)
