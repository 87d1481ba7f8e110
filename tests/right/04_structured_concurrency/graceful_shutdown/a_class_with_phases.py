"""A class with one method for each phase; all phases run in a task that nobody else can cancel.

Cancelling serve is a message to that task, as the signal is one.
"""

import asyncio
import signal
from collections import namedtuple

Summary = namedtuple("Summary", "done failed cancelled")


class Service:
    def __init__(self, receive, handle, clean_up, grace):
        self.receive, self.handle, self.clean_up, self.grace = receive, handle, clean_up, grace
        self.error = None
        self.tasks = []
        self.intake = None
        self.hurry = asyncio.Event()

    def stop(self):
        self.intake.cancel()

    def stop_now(self):
        self.stop()
        self.hurry.set()

    async def run(self):
        await self.intake
        await self.drain()
        results = await self.end_the_rest()
        await self.clean_up()
        kinds = [type(result) for result in results]
        failed = sum(issubclass(kind, Exception) for kind in kinds)
        cancelled = kinds.count(asyncio.CancelledError)
        return Summary(len(results) - failed - cancelled, failed, cancelled)

    async def accept(self):
        try:
            while True:
                request = await self.receive()
                self.tasks.append(asyncio.create_task(self.handle(request)))
        except asyncio.CancelledError:
            pass  # only stop() cancels this task, and it means: that was all
        except Exception as error:
            self.error = error

    async def drain(self):
        everything = asyncio.gather(*self.tasks, return_exceptions=True)
        impatience = asyncio.create_task(self.hurry.wait())
        await asyncio.wait(
            [asyncio.ensure_future(everything), impatience],
            timeout=self.grace,
            return_when=asyncio.FIRST_COMPLETED,
        )
        impatience.cancel()
        if not everything.done():
            everything.cancel()

    async def end_the_rest(self):
        return await asyncio.gather(*self.tasks, return_exceptions=True)


async def serve(receive, handle, clean_up, on_signal, *, grace=10.0):
    service = Service(receive, handle, clean_up, grace)
    service.intake = asyncio.create_task(service.accept())
    on_signal(signal.SIGTERM, service.stop)
    running = asyncio.create_task(service.run())
    cancelled = None
    while not running.done():
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError as error:
            if cancelled is None:
                service.stop_now()
            cancelled = error
    if cancelled is not None:
        raise cancelled
    if service.error is not None:
        raise service.error
    return running.result()
