"""Made by hand: a timer cancels the task, and a flag says that it did.

If the flag is set, a CancelledError must be the timer's. Unless somebody else has cancelled the
task meanwhile, which one sees by counting only.

mistake: cancel-becomes-timeout
fails: test_a_cancellation_stays_a_cancellation
"""

import asyncio
from contextvars import ContextVar

_stack = ContextVar("stack", default=())


class deadline:
    def __init__(self, seconds):
        self.seconds = seconds
        self.expired = False

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self.task = asyncio.current_task()
        self.when = None if self.seconds is None else loop.time() + self.seconds
        self.timer = loop.call_at(self.when, self.expire) if self.when is not None else None
        self.token = _stack.set((*_stack.get(), self.when))

    def expire(self):
        self.expired = True
        self.task.cancel()

    async def __aexit__(self, kind, error, trace):
        _stack.reset(self.token)
        if self.timer is not None:
            self.timer.cancel()
        if self.expired:
            self.task.uncancel()
            if kind is asyncio.CancelledError:
                raise TimeoutError from error


def time_left():
    moments = [moment for moment in _stack.get() if moment is not None]
    if not moments:
        return None
    return max(0.0, min(moments) - asyncio.get_running_loop().time())


async def call(service, *, at_most=None):
    if time_left() == 0.0:
        raise TimeoutError
    async with deadline(at_most):
        return await service(time_left())
