"""SIGTERM cancels the main task, as Ctrl-C would, and the finally does the rest.

Short, tidy, and every request that is in flight at a deployment is lost.

mistake: drops-in-flight
fails: test_what_is_in_flight_is_finished, test_nothing_is_accepted_after_the_signal,
    test_a_request_in_the_moment_of_the_signal, test_the_rest_is_cancelled,
    test_further_signals_change_nothing, test_if_receive_fails_it_stops_in_order,
    test_cancelled_at_any_moment_it_cleans_up, test_a_cancellation_goes_on_to_the_caller
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
    me = asyncio.current_task()
    stopped = False
    counts = {"done": 0, "failed": 0, "cancelled": 0}

    def stop():
        nonlocal stopped
        if not stopped:
            stopped = True
            me.cancel()

    async def handle_safely(request):
        try:
            await handle(request)
            counts["done"] += 1
        except Exception:
            counts["failed"] += 1
        except asyncio.CancelledError:
            counts["cancelled"] += 1
            raise

    on_signal(signal.SIGTERM, stop)
    try:
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(handle_safely(await receive()))
    except asyncio.CancelledError:
        if not stopped or me.uncancel() > 0:
            raise
    finally:
        await clean_up()
    return Summary(**counts)
