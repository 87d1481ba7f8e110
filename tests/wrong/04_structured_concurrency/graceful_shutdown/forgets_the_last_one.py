"""Waits for a request or for the signal, whichever is first, and takes it that only one can come.

When both have come, the request has left the queue, and the loop ends without a look at it.

mistake: drops-in-flight
fails: test_a_request_in_the_moment_of_the_signal, test_nothing_is_accepted_after_the_signal,
    test_if_receive_fails_it_stops_in_order
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
    stop = asyncio.Event()
    on_signal(signal.SIGTERM, stop.set)
    stopped = asyncio.create_task(stop.wait())
    tasks = set()
    getter = None
    try:
        while True:
            getter = asyncio.create_task(receive())
            await asyncio.wait({getter, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                break
            tasks.add(asyncio.create_task(handle(getter.result())))
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
    finally:
        ending = asyncio.create_task(finish(tasks, [getter, stopped], clean_up))
        cancelled = False
        while not ending.done():
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError
    return ending.result()


async def finish(tasks, helpers, clean_up):
    for task in [*tasks, *helpers]:
        if task is not None:
            task.cancel()
    await asyncio.gather(*(h for h in helpers if h is not None), return_exceptions=True)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    await clean_up()
    cancelled = sum(isinstance(r, asyncio.CancelledError) for r in results)
    failed = sum(isinstance(r, Exception) for r in results)
    return Summary(len(results) - failed - cancelled, failed, cancelled)
