"""Takes its cancellation back when a CancelledError arrives, and only then.

A service that fails while it cleans up raises something else, and the task counts a cancellation
for good that nobody means any more. The next timeout further out takes it for somebody's.

mistake: forgotten-uncancel
fails: test_it_leaves_no_cancellation_behind
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")


_until = ContextVar("until", default=None)


class deadline:
    def __init__(self, seconds):
        self.seconds = seconds

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self.task = asyncio.current_task()
        self.before = self.task.cancelling()
        self.struck = False
        moment = loop.time() + self.seconds
        if _until.get() is not None:
            moment = min(moment, _until.get())
        self.timer = loop.call_at(moment, self.strike)
        self.token = _until.set(moment)

    def strike(self):
        self.struck = True
        self.task.cancel()

    async def __aexit__(self, kind, error, tb):
        self.timer.cancel()
        _until.reset(self.token)
        ours = self.struck and kind is asyncio.CancelledError
        if ours and self.task.uncancel() <= self.before:
            raise TimeoutError from error


def time_left():
    moment = _until.get()
    if moment is None:
        return None
    return max(0.0, moment - asyncio.get_running_loop().time())


async def call(service, *, at_most=None):
    left = time_left()
    seconds = min((s for s in (left, at_most) if s is not None), default=None)
    if seconds is None:
        return await service(None)
    if seconds <= 0:
        raise TimeoutError
    async with deadline(seconds):
        return await service(seconds)
