"""SIGTERM cancels everything, as Ctrl-C would, and the finally does the rest.

Short, tidy, and every request that is in flight at a deployment is lost.

mistake: drops-in-flight
fails: test_what_is_in_flight_is_finished, test_nothing_is_accepted_after_the_signal,
    test_a_request_in_the_moment_of_the_signal, test_the_rest_is_cancelled,
    test_further_signals_change_nothing, test_if_receive_fails_it_stops_in_order,
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
        await accepting
    except asyncio.CancelledError:
        if asyncio.current_task().cancelling():
            raise  # it was not the signal
    finally:
        accepting.cancel()
        ending = asyncio.create_task(finish(tasks, clean_up))
        cancelled = False
        while not ending.done():
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError
    return ending.result()


async def finish(tasks, clean_up):
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    await clean_up()
    cancelled = sum(isinstance(r, asyncio.CancelledError) for r in results)
    failed = sum(isinstance(r, Exception) for r in results)
    return Summary(len(results) - failed - cancelled, failed, cancelled)
