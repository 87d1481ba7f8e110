"""Done-callbacks decide, and one future is the result: no loop at all."""

import asyncio
import bisect
import contextlib
import time
from dataclasses import dataclass


class Unavailable(Exception):
    pass


class Declined(Exception):
    pass


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    idempotency_key: str | None = None


FAILURE = (Unavailable, ConnectionError, TimeoutError)


class Percentile:
    """The last hundred in order of coming, and the same in order of size."""

    def __init__(self):
        self.coming, self.size = [], []

    def add(self, value):
        self.coming.append(value)
        bisect.insort(self.size, value)
        if len(self.coming) > 100:
            self.size.remove(self.coming.pop(0))

    def value(self):
        n = len(self.size)
        return self.size[(95 * n + 99) // 100 - 1] if n >= 20 else None


class Attempt:
    def __init__(self, hedge, request):
        self.hedge, self.request = hedge, request
        self.loop = asyncio.get_running_loop()
        self.result = self.loop.create_future()
        self.began = time.monotonic()
        self.hedged = False
        self.tasks = []
        self.failures = 0
        self.open(hedge.first)
        delay = hedge.latency.value()
        self.alarm = None if delay is None else self.loop.call_later(delay, self.late)

    def open(self, door):
        task = self.loop.create_task(door(self.request))
        self.tasks.append(task)
        task.add_done_callback(self.ended)

    def late(self):
        if not self.hedged and not self.result.done():
            self.hedged = True
            if self.hedge.pays_for(self.request):
                self.open(self.hedge.second)

    def ended(self, task):
        if self.result.done():
            return
        if task.cancelled():
            self.result.cancel()
            return
        error = task.exception()
        if isinstance(error, FAILURE):
            self.failures += 1
            self.late()
            if self.failures == len(self.tasks):
                self.result.set_exception(error)
            return
        if task is self.tasks[0] or not self.tasks[0].done():
            self.hedge.latency.add(time.monotonic() - self.began)
        if error is None:
            self.result.set_result(task.result())
        else:
            self.result.set_exception(error)

    async def close(self):
        if self.alarm:
            self.alarm.cancel()
        self.result.cancel()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class Hedge:
    def __init__(self, first, second, *, ratio=0.05, reserve=5.0):
        self.first, self.second = first, second
        self.ratio, self.reserve, self.left = ratio, reserve, reserve
        self.latency = Percentile()

    def pays_for(self, request):
        safe = request.method not in {"POST", "PATCH"} or request.idempotency_key is not None
        paid = safe and self.left >= 1
        self.left -= paid
        return paid

    async def call(self, request):
        self.left = min(self.reserve, self.left + self.ratio)
        attempt = Attempt(self, request)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(attempt.close)
            return await attempt.result
