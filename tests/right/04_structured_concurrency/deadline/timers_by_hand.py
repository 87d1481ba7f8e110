"""A class with a timer of its own that counts cancellations; `call` is a deadline, too."""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_current: contextvars.ContextVar[deadline | None] = contextvars.ContextVar("current", default=None)


class deadline:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.outer: deadline | None = None
        self.expired = False

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        self.cancelled_before = task.cancelling()
        self.outer = _current.get()
        self.when = loop.time() + self.seconds
        self.earliest = min(self.when, self.outer.earliest if self.outer else math.inf)
        self.timer = loop.call_at(self.earliest, self.strike) if self.earliest < math.inf else None
        self.token = _current.set(self)

    def strike(self) -> None:
        self.expired = True
        self.task.cancel()

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        _current.reset(self.token)
        if self.timer is not None:
            self.timer.cancel()
        if not self.expired:
            return
        others = self.task.uncancel() - self.cancelled_before
        if kind is asyncio.CancelledError and others <= 0:
            raise TimeoutError from error


def time_left() -> float | None:
    innermost = _current.get()
    if innermost is None or innermost.earliest == math.inf:
        return None
    return max(0.0, innermost.earliest - asyncio.get_running_loop().time())


async def call(
    service: Callable[[float | None], Coroutine[Any, Any, T]], *, at_most: float | None = None
) -> T:
    if time_left() == 0.0:
        raise TimeoutError("nothing left")
    async with deadline(math.inf if at_most is None else at_most):
        return await service(time_left())
