"""The budget is missing: "the 95th percentile sees to it that it is five percent".

As long as the world is as it was. On a slow day every call is late, and every one is sent twice.

mistake: hedge-storm
fails: test_hedges_are_rationed, test_a_failure_is_rationed_too, test_a_usual_day,
  test_calls_fill_the_budget_to_the_brim, test_it_is_decided_once
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
        return request.method not in ("POST", "PATCH") or bool(request.idempotency_key)

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
            todo = set(tasks)
            while todo:
                done, todo = await asyncio.wait(todo, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    last = task
                    if not failed(task):
                        if not first.done() or task is first:
                            self.latencies.append(monotonic() - start)
                        return task.result()
            return last.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
