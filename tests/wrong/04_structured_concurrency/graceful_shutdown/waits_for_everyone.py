"""Drains, and drains: the grace period is a parameter that nobody reads.

mistake: never-stops
fails: test_the_rest_is_cancelled, test_further_signals_change_nothing,
    test_cancelled_at_any_moment_it_cleans_up, test_a_cancellation_goes_on_to_the_caller,
    test_cancelled_at_the_very_end_it_says_so, test_if_receive_fails_it_stops_in_order
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
    results = []
    problem = None
    try:
        await asyncio.wait([accepting])
        if not accepting.cancelled():
            problem = accepting.exception()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        accepting.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        cleaning = asyncio.create_task(clean_up())
        try:
            await asyncio.shield(cleaning)
        except asyncio.CancelledError:
            await cleaning
            raise
    if problem is not None:
        raise problem
    cancelled = sum(isinstance(r, asyncio.CancelledError) for r in results)
    failed = sum(isinstance(r, Exception) for r in results)
    return Summary(len(results) - failed - cancelled, failed, cancelled)
