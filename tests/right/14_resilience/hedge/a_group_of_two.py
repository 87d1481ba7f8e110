"""A TaskGroup holds both doors; whoever answers raises a private exception that ends the group."""

import asyncio
import statistics
from collections import deque
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


class Answered(Exception):
    pass


class Hedge:
    def __init__(self, first, second, *, ratio=0.05, reserve=5.0):
        self.first, self.second = first, second
        self.ratio, self.reserve = ratio, reserve
        self.tokens = reserve
        self.last = deque(maxlen=100)

    async def call(self, request):
        loop = asyncio.get_running_loop()
        self.tokens = min(self.reserve, self.tokens + self.ratio)
        start, over, first_failed = loop.time(), asyncio.Event(), asyncio.Event()
        outcome, failures = [], []

        async def ask(door):
            try:
                answer = (await door(request), None)
            except (Unavailable, ConnectionError, TimeoutError) as error:
                if not outcome:
                    failures.append(error)
                    if door is self.first:
                        first_failed.set()
                return
            except Exception as error:
                answer = (None, error)
            if outcome:
                return
            if door is self.first or not first_failed.is_set():
                self.last.append(loop.time() - start)
            outcome.append(answer)
            over.set()
            raise Answered

        async def hedge():
            try:
                async with asyncio.timeout(self.delay()):
                    await first_failed.wait()
            except TimeoutError:
                pass
            if self.affordable(request):
                await ask(self.second)

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(ask(self.first))
                group.create_task(hedge())
        except* Answered:
            pass
        if not outcome:
            raise failures[-1]
        [(answer, error)] = outcome
        if error is not None:
            raise error
        return answer

    def delay(self):
        if len(self.last) < 20:
            return None
        # the lowest of those with at most 5 percent above it
        ordered = sorted(self.last)
        above = len(ordered) * 5 // 100
        assert statistics.median(ordered) <= ordered[-1 - above]
        return ordered[-1 - above]

    def affordable(self, request):
        if request.idempotency_key is None and request.method not in [
            "GET",
            "HEAD",
            "PUT",
            "DELETE",
        ]:
            return False
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True
