"""The signal sets a flag, and the loop looks at it between two requests.

In the load test it stops at once. At night, when there is no next request, it never does.

mistake: never-stops
fails: test_an_idle_service_stops_at_once, test_nothing_is_accepted_after_the_signal,
    test_what_is_in_flight_is_finished, test_the_rest_is_cancelled,
    test_further_signals_change_nothing, test_requests_are_handled_at_the_same_time,
    test_a_handler_that_raises_stops_nothing, test_a_request_in_the_moment_of_the_signal
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
    running = True

    def stop():
        nonlocal running
        running = False

    on_signal(signal.SIGTERM, stop)
    tasks = []
    problem = None
    try:
        try:
            while running:
                request = await receive()
                tasks.append(asyncio.create_task(handle(request)))
        except Exception as error:
            problem = error
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
    finally:
        ending = asyncio.create_task(finish(tasks, clean_up))
        cancelled = False
        while not ending.done():
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError
    if problem is not None:
        raise problem
    return ending.result()


async def finish(tasks, clean_up):
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    await clean_up()
    cancelled = sum(isinstance(r, asyncio.CancelledError) for r in results)
    failed = sum(isinstance(r, Exception) for r in results)
    return Summary(len(results) - failed - cancelled, failed, cancelled)
