"""Each state is a class that admits calls and judges them; a transition is an assignment."""

import asyncio
from collections import deque


class Unavailable(Exception):
    pass


class Declined(Exception):
    pass


class CircuitOpen(Exception):
    def __init__(self, retry_after):
        super().__init__(f"open for {retry_after:.1f} s more")
        self.retry_after = retry_after


class Closed:
    def __init__(self, breaker):
        self.breaker = breaker
        self.outcomes = deque([True] * breaker.window, maxlen=breaker.window)

    def admit(self):
        return self

    def good(self):
        self.outcomes.append(True)

    def bad(self):
        self.outcomes.append(False)
        if self.outcomes.count(False) >= self.breaker.failures:
            self.breaker.state = Open(self.breaker)

    def neither(self):
        pass


class Open:
    def __init__(self, breaker):
        self.breaker = breaker
        self.since = asyncio.get_running_loop().time()

    def admit(self):
        left = self.since + self.breaker.cooldown - asyncio.get_running_loop().time()
        if left > 0:
            raise CircuitOpen(left)
        self.breaker.state = HalfOpen(self.breaker)
        return self.breaker.state.admit()


class HalfOpen:
    def __init__(self, breaker):
        self.breaker = breaker
        self.free = True

    def admit(self):
        if not self.free:
            raise CircuitOpen(0.0)
        self.free = False
        return self

    def good(self):
        self.breaker.state = Closed(self.breaker)

    def bad(self):
        self.breaker.state = Open(self.breaker)

    def neither(self):
        self.free = True


class CircuitBreaker:
    def __init__(self, *, failures=5, window=10, cooldown=30.0, timeout=10.0):
        self.failures, self.window = failures, window
        self.cooldown, self.timeout = cooldown, timeout
        self.state = Closed(self)

    async def call(self, operation):
        admitted_by = self.state.admit()
        verdict = "neither"
        try:
            result = await asyncio.wait_for(operation(), self.timeout)
            verdict = "good"
            return result
        except Declined:
            verdict = "good"
            raise
        except (Unavailable, ConnectionError, TimeoutError):
            verdict = "bad"
            raise
        finally:
            if self.state is admitted_by:
                getattr(admitted_by, verdict)()
