"""FIRST_COMPLETED means completed: a failure, too.

The second door answers "503" at once, as it is down, and the call fails that the first door was
about to answer.

mistake: first-finished-not-first-success
fails: test_a_failure_is_no_answer, test_both_failing_is_a_failure,
       test_what_the_other_one_raises_is_dropped, test_an_early_failure_is_hedged_at_once
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from math import ceil
from time import monotonic


class Unavailable(Exception):
    pass


class Declined(Exception):
    pass


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    idempotency_key: str | None = None


def failed(task):
    return isinstance(task.exception(), (Unavailable, ConnectionError, TimeoutError))


class Hedge:
    def __init__(self, first, second, *, ratio=0.05, reserve=5.0):
        self.first = first
        self.second = second
        self.ratio = ratio
        self.reserve = reserve
        self.tokens = reserve
        self.latencies = deque(maxlen=100)

    def late(self):
        known = sorted(self.latencies)
        return known[ceil(len(known) * 0.95) - 1] if len(known) >= 20 else None

    def may_hedge(self, request):
        if request.method == "POST" and not request.idempotency_key:
            return False
        if request.method == "PATCH" and not request.idempotency_key:
            return False
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    async def call(self, request):
        self.tokens = min(self.reserve, self.tokens + self.ratio)
        start = monotonic()
        first = asyncio.create_task(self.first(request))
        second = None
        tasks = {first}
        try:
            await asyncio.wait(tasks, timeout=self.late())
            if (not first.done() or failed(first)) and self.may_hedge(request):
                second = asyncio.create_task(self.second(request))
                tasks = {first, second}
            last = first
            running = {task for task in tasks if not task.done()}
            if running:
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                last = done.pop()
            if not failed(last) and (not first.done() or last is first):
                self.latencies.append(monotonic() - start)
            return last.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
