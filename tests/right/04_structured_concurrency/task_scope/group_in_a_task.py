"""A supervisor task of its own looks after the jobs; the block talks to it by an event.

Roundabout, and right. The block itself is interrupted by an asyncio.timeout whose moment is moved
up to now.
"""

import asyncio
from contextlib import asynccontextmanager


class Scope:
    def __init__(self):
        self.changed = asyncio.Event()
        self.jobs = []
        self.block_ended = False
        self.closed = False

    def start(self, job):
        if self.closed:
            raise RuntimeError("closed")
        task = asyncio.create_task(job)
        self.jobs.append(task)
        task.add_done_callback(lambda _: self.changed.set())
        self.changed.set()
        return task

    def failures(self):
        over = [job for job in self.jobs if job.done() and not job.cancelled()]
        return [job.exception() for job in over if job.exception() is not None]

    async def look_after(self):
        """Until everything is over, or a job has failed."""
        while not self.failures():
            if self.block_ended and all(job.done() for job in self.jobs):
                return
            self.changed.clear()
            await self.changed.wait()

    async def end(self):
        cancelled = None
        for job in self.jobs:
            job.cancel()
        while left := [job for job in self.jobs if not job.done()]:
            try:
                await asyncio.wait(left)
            except asyncio.CancelledError as error:
                cancelled = error
        self.closed = True
        if cancelled is not None:
            raise cancelled


@asynccontextmanager
async def task_scope(seconds=None):
    scope = Scope()
    supervisor = asyncio.create_task(scope.look_after())
    errors = []
    try:
        async with asyncio.timeout(seconds) as limit:
            try:
                async with asyncio.timeout(None) as until_failure:

                    def on_failure(_):
                        if not scope.block_ended:
                            until_failure.reschedule(asyncio.get_running_loop().time())

                    supervisor.add_done_callback(on_failure)
                    try:
                        yield scope
                    finally:
                        scope.block_ended = True
                        scope.changed.set()
            except TimeoutError as error:
                if not until_failure.expired():
                    errors.append(error)
            except Exception as error:
                errors.append(error)
            if not errors:
                await asyncio.shield(supervisor)
    except TimeoutError:
        if not limit.expired():
            raise
        await scope.end()
        if not scope.failures():
            raise
    finally:
        supervisor.cancel()
        await scope.end()
    errors += scope.failures()
    if errors:
        raise ExceptionGroup("failed", errors)
