"""Each door puts its ending into a queue; the call reads the queue, with the delay as a timer."""

import asyncio
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


LATE = object()


class Hedge:
    def __init__(self, first, second, *, ratio=0.05, reserve=5.0):
        self.doors = (first, second)
        self.ratio, self.reserve = ratio, reserve
        self.budget = reserve
        self.history = []

    @property
    def delay(self):
        if len(self.history) < 20:
            return None
        ordered = sorted(self.history)
        return ordered[-(-95 * len(ordered) // 100) - 1]

    def remember(self, seconds):
        self.history = [*self.history, seconds][-100:]

    async def call(self, request):
        loop = asyncio.get_running_loop()
        self.budget = min(self.budget + self.ratio, self.reserve)
        endings = asyncio.Queue()
        began, tasks = loop.time(), []

        async def ask(door):
            try:
                answer = await self.doors[door](request), None
            except (Unavailable, ConnectionError, TimeoutError) as error:
                answer = None, error
            except Exception as error:
                endings.put_nowait((door, None, error))
                return
            endings.put_nowait((door, *answer))

        def knock(door):
            tasks.append(loop.create_task(ask(door)))

        knock(0)
        delay = self.delay
        timer = loop.call_later(delay, endings.put_nowait, (LATE, None, None)) if delay else None
        decided, open_doors = False, 1
        try:
            while True:
                door, answer, error = await endings.get()
                bad = isinstance(error, (Unavailable, ConnectionError, TimeoutError))
                if door is not LATE and not bad:
                    if 0 in (door, *({0} if not tasks[0].done() else ())):
                        self.remember(loop.time() - began)
                    if error is not None:
                        raise error
                    return answer
                if door is LATE and decided:
                    continue
                open_doors -= door is not LATE
                if not decided:
                    decided = True
                    if self.allowed(request):
                        open_doors += 1
                        knock(1)
                if not open_doors:
                    raise error
        finally:
            if timer is not None:
                timer.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def allowed(self, request):
        twice = request.method in ("GET", "HEAD", "PUT", "DELETE") or request.idempotency_key
        if twice and self.budget >= 1:
            self.budget -= 1
            return True
        return False
