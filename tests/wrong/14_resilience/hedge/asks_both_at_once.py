"""Asks both doors and takes what comes first, as first_success does with its mirrors.

The fastest that there is, for twice the load: on a day on which the provider has enough to do, it
is the last straw.

mistake: hedges-at-once
fails: test_a_late_answer_is_hedged_after_the_delay, test_an_answer_in_time_is_the_result,
  test_too_little_is_known_to_hedge, test_the_slow_ones_count, test_no_is_an_answer,
  test_an_early_failure_is_hedged_at_once, test_failures_have_no_latency, test_hedges_are_rationed,
  test_calls_fill_the_budget_to_the_brim, test_the_first_answer_wins, test_a_usual_day,
  test_a_failure_is_rationed_too, test_both_failing_is_a_failure, test_a_failure_is_no_answer,
  test_what_the_other_one_raises_is_dropped, test_the_slower_one_has_ended, test_it_is_decided_once
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
            await asyncio.wait(tasks, timeout=0)
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
