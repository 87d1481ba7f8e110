"""A job that raises TimeoutError, and the scope takes it for its own.

mistake: none
fails: test_one_failure_ends_the_others
"""

import asyncio


class task_scope:
    def __init__(self, seconds=None):
        self.seconds = seconds
        self.tasks = set()
        self.errors = []
        self.in_block = False
        self.stopping = False
        self.interrupted = False  # we have cancelled the block ourselves
        self.expired = False
        self.ended = False
        self.timer = None

    async def __aenter__(self):
        self.owner = asyncio.current_task()
        self.requests_before = self.owner.cancelling()
        self.in_block = True
        if self.seconds is not None:
            self.timer = asyncio.get_running_loop().call_later(self.seconds, self.time_is_up)
        return self

    def start(self, job):
        if self.ended:
            raise RuntimeError("this scope is over")
        task = asyncio.ensure_future(job)
        self.tasks.add(task)
        task.add_done_callback(self.job_done)
        return task

    def job_done(self, task):
        self.tasks.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        if isinstance(task.exception(), TimeoutError):
            self.expired = True
        else:
            self.errors.append(task.exception())
        self.stop()

    def time_is_up(self):
        if not self.stopping:
            self.expired = True
            self.stop()

    def stop(self):
        if self.stopping:
            return
        self.stopping = True
        for task in self.tasks:
            task.cancel()
        if self.in_block:
            self.interrupted = True
            self.owner.cancel()

    def told_to_stop(self):
        return self.owner.cancelling() > self.requests_before

    async def __aexit__(self, kind, error, trace):
        self.in_block = False
        if self.interrupted:
            self.owner.uncancel()
        stranger = None
        if error is not None:
            if not isinstance(error, asyncio.CancelledError):
                self.errors.append(error)
            elif self.told_to_stop() or not self.interrupted:
                stranger = error
            self.stop()
        while self.tasks:
            try:
                await asyncio.wait(self.tasks)
            except asyncio.CancelledError as cancellation:
                if self.told_to_stop():
                    stranger = cancellation
                self.stop()
        self.ended = True
        if self.timer is not None:
            self.timer.cancel()
        if stranger is not None:
            raise stranger
        if self.errors:
            raise ExceptionGroup("some jobs failed", self.errors)
        if self.expired:
            raise TimeoutError(f"not done after {self.seconds} s")
        return True
