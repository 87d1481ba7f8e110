"""clean_up stands in a finally, so it is always called. It is not always finished.

A finally is no shelter: an await in it can be cancelled as any other can. The orchestrator loses
its patience while the database is being closed, and it stays half closed.

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

    accepting = asyncio.create_task(intake())
    on_signal(signal.SIGTERM, accepting.cancel)
    try:
        await asyncio.wait([accepting])
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
    finally:
        accepting.cancel()
        for task in tasks:
            task.cancel()
        try:
            results = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await clean_up()
    if not accepting.cancelled():
        raise accepting.exception()
    cancelled = sum(isinstance(r, asyncio.CancelledError) for r in results)
    failed = sum(isinstance(r, Exception) for r in results)
    return Summary(len(results) - failed - cancelled, failed, cancelled)
