"""One loop that waits for a request or the stop, whichever comes first, and looks at both."""

import asyncio
import signal
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    done: int = 0
    failed: int = 0
    cancelled: int = 0


async def unless_stopped(receive, stop):
    """The next request as a list of one; an empty list when it is time to stop."""
    getter = asyncio.create_task(receive())
    stopper = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({getter, stopper}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopper.cancel()
        getter.cancel()
        await asyncio.gather(getter, stopper, return_exceptions=True)
    # Both may have come: a request that has been received is ours.
    return [] if getter.cancelled() else [getter.result()]


async def serve(receive, handle, clean_up, on_signal, *, grace=10.0):
    stop = asyncio.Event()
    on_signal(signal.SIGTERM, stop.set)
    handlers = []
    trouble = None
    try:
        while not stop.is_set():
            try:
                for request in await unless_stopped(receive, stop):
                    handlers.append(asyncio.ensure_future(handle(request)))
            except Exception as error:
                trouble = error
                break
        unfinished = [handler for handler in handlers if not handler.done()]
        if unfinished:
            await asyncio.wait(unfinished, timeout=grace)
    finally:
        ending = asyncio.create_task(end(handlers, clean_up))
        interruption = None
        while not ending.done():
            try:
                await asyncio.wait([ending])
            except asyncio.CancelledError as error:
                interruption = error
        if interruption:
            raise interruption
    if trouble:
        raise trouble
    return ending.result()


async def end(handlers, clean_up):
    for handler in handlers:
        handler.cancel()
    outcomes = await asyncio.gather(*handlers, return_exceptions=True)
    await clean_up()
    cancelled = [o for o in outcomes if isinstance(o, asyncio.CancelledError)]
    failed = [o for o in outcomes if isinstance(o, Exception)]
    done = len(outcomes) - len(cancelled) - len(failed)
    return Summary(done, len(failed), len(cancelled))
