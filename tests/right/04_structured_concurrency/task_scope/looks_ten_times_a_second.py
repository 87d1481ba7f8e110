"""Nothing tells anybody anything: a watcher looks at the jobs and at the clock, again and again."""

import asyncio
import contextlib

PAUSE = 0.1


class Scope:
    def __init__(self):
        self.jobs = []
        self.ended = False

    def start(self, job):
        if self.ended:
            job.close()
            raise RuntimeError("the scope has ended")
        self.jobs.append(asyncio.create_task(job))
        return self.jobs[-1]

    def pending(self):
        return [job for job in self.jobs if not job.done()]

    def errors(self):
        ended = [job for job in self.jobs if job.done() and not job.cancelled()]
        return [job.exception() for job in ended if job.exception() is not None]


@contextlib.asynccontextmanager
async def task_scope(seconds=None):
    scope, owner, loop = Scope(), asyncio.current_task(), asyncio.get_running_loop()
    deadline = None if seconds is None else loop.time() + seconds
    requests_before = owner.cancelling()
    in_block, ours, late, interrupted, errors = True, 0, False, False, []

    async def watch():
        nonlocal ours, late
        while True:
            late = deadline is not None and loop.time() >= deadline
            if late or scope.errors():
                if in_block:
                    ours += 1
                    owner.cancel()
                return
            left = PAUSE if deadline is None else deadline - loop.time()
            await asyncio.sleep(min(PAUSE, left))

    async def look_again():
        nonlocal interrupted
        try:
            await asyncio.sleep(PAUSE)
        except asyncio.CancelledError:
            interrupted = True

    watcher = asyncio.create_task(watch())
    try:
        yield scope
        if seconds is not None and seconds <= 0:
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        interrupted = owner.cancelling() - requests_before > ours or not ours
    except Exception as error:
        errors.append(error)
    in_block = False
    while scope.pending() and not (late or interrupted or errors or scope.errors()):
        await look_again()
    for job in scope.pending():
        job.cancel()
    while scope.pending():
        await look_again()
    scope.ended = True
    watcher.cancel()
    while not watcher.done():
        await look_again()
    for _ in range(ours):
        owner.uncancel()
    errors += scope.errors()
    if interrupted:
        raise asyncio.CancelledError
    if late:
        raise TimeoutError
    if errors:
        raise ExceptionGroup("failures in the scope", errors)
