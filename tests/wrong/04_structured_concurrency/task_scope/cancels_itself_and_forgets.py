"""Written by hand, with care, but one line short: what it did to its own task is never taken back.

When a job fails, the block's task is cancelled and the CancelledError is caught again, so it looks
as if nothing had happened. The task still counts it. The timeout around the scope, an hour later,
finds that somebody else must have cancelled the task too, and lets the CancelledError pass.

mistake: forgotten-uncancel
fails: test_a_scope_leaves_no_cancellation_behind
"""

import asyncio


class task_scope:
    def __init__(self, seconds=None):
        self.seconds = seconds
        self.tasks = set()
        self.errors = []
        self.state = "new"
        self.expired = False
        self.timer = None

    async def __aenter__(self):
        self.owner = asyncio.current_task()
        self.requests = self.owner.cancelling()
        if self.seconds is not None:
            self.timer = asyncio.get_running_loop().call_later(self.seconds, self.on_time_up)
        self.state = "block"
        return self

    def start(self, job):
        if self.state == "ended":
            raise RuntimeError("the scope has ended")
        task = asyncio.create_task(job)
        self.tasks.add(task)
        task.add_done_callback(self.on_done)
        return task

    def on_done(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.errors.append(task.exception())
            self.stop()

    def on_time_up(self):
        self.expired = True
        self.stop()

    def stop(self):
        for task in self.tasks:
            task.cancel()
        if self.state == "block":
            self.state = "stopping"
            self.requests += 1
            self.owner.cancel()

    async def __aexit__(self, kind, error, trace):
        cancelled = error if kind is asyncio.CancelledError else None
        if self.owner.cancelling() <= self.requests:
            cancelled = None
        if error is not None and kind is not asyncio.CancelledError:
            self.errors.append(error)
        self.state = "waiting"
        if error is not None:
            self.stop()
        while self.tasks:
            try:
                await asyncio.wait(self.tasks)
            except asyncio.CancelledError as again:
                cancelled = again
                self.stop()
        self.state = "ended"
        if self.timer is not None:
            self.timer.cancel()
        if cancelled is not None:
            raise cancelled
        if self.errors:
            raise ExceptionGroup("the scope failed", self.errors)
        if self.expired:
            raise TimeoutError
        return True
