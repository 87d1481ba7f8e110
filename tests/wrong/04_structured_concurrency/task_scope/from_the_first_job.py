"""Starts its clock with the first job: a block that starts none may take as long as it likes.

mistake: none
fails: test_the_deadline_ends_jobs_and_block
"""

import asyncio
import logging

log = logging.getLogger(__name__)


class Scope:
    def __init__(self, seconds):
        self.seconds = seconds
        self.jobs = set()
        self.errors = []
        self.expired = False
        self.stopping = False
        self.finished = False
        self.in_block = False
        self.cancels = 0
        self.timer = None

    async def __aenter__(self):
        self.loop = asyncio.get_running_loop()
        self.parent = asyncio.current_task()
        self.empty = asyncio.Event()
        self.before = self.parent.cancelling()
        self.in_block = True
        return self

    def start(self, job):
        if self.finished:
            job.close()
            raise RuntimeError("this scope has ended")
        if self.timer is None and self.seconds is not None:
            self.timer = self.loop.call_later(self.seconds, self.expire)
        task = self.loop.create_task(job)
        self.jobs.add(task)
        task.add_done_callback(self.ended)
        return task

    def ended(self, task):
        self.jobs.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.info("%s failed", task)
            self.errors.append(task.exception())
            self.stop()
        if not self.jobs:
            self.empty.set()

    def stop(self):
        if self.stopping:
            return
        self.stopping = True
        for job in self.jobs:
            job.cancel()
        if self.in_block:
            self.cancels += 1
            self.parent.cancel()

    def expire(self):
        if not self.stopping:
            self.expired = True
            self.stop()

    async def __aexit__(self, kind, error, trace):
        self.in_block = False
        cancelled = None
        if isinstance(error, asyncio.CancelledError):
            if self.cancels:
                if self.parent.cancelling() - self.cancels > self.before:
                    cancelled = error
            else:
                cancelled = error
            self.stop()
        elif error is not None:
            self.errors.insert(0, error)
            self.stop()
        while self.jobs:
            self.empty.clear()
            try:
                await self.empty.wait()
            except asyncio.CancelledError as again:
                if self.cancels and self.parent.cancelling() - self.cancels <= self.before:
                    continue
                cancelled = again
                self.stop()
        self.finished = True
        if self.timer:
            self.timer.cancel()
        for _ in range(self.cancels):
            self.parent.uncancel()
        if cancelled is None and self.parent.cancelling() > self.before:
            # it was cancelled, and has not seen it yet
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError as late:
                cancelled = late
        if cancelled is not None:
            raise cancelled
        if self.expired:
            raise TimeoutError(f"not done in {self.seconds} s") from None
        if self.errors:
            fatal = [e for e in self.errors if not isinstance(e, Exception)]
            raise (BaseExceptionGroup if fatal else ExceptionGroup)("jobs failed", self.errors)
        return False


def task_scope(seconds=None):
    return Scope(seconds)
