"""An async context manager around the operation: its exit sees how the block ended."""

import asyncio
import time
from contextlib import asynccontextmanager


class Unavailable(Exception):
    pass


class Declined(Exception):
    pass


class CircuitOpen(Exception):
    def __init__(self, retry_after):
        super().__init__(f"open for {retry_after:.1f} s more")
        self.retry_after = retry_after


class CircuitBreaker:
    def __init__(self, *, failures=5, window=10, cooldown=30.0, timeout=10.0):
        self.limit, self.window = failures, window
        self.cooldown, self.timeout = cooldown, timeout
        self.counted = ""  # the outcomes that count, as letters
        self.generation = 0
        self.closed = True
        self.retry_at = 0.0
        self.probe = None

    @asynccontextmanager
    async def guard(self):
        me = object()
        if not self.closed:
            wait = self.retry_at - time.monotonic()
            if wait > 0 or self.probe is not None:
                raise CircuitOpen(max(wait, 0.0))
            self.probe = me
        born = self.generation
        try:
            yield
        except (Unavailable, ConnectionError, TimeoutError):
            self.judge(born, me, "x")
            raise
        except Declined:
            self.judge(born, me, "o")
            raise
        else:
            self.judge(born, me, "o")
        finally:
            if self.probe is me:
                self.probe = None

    def judge(self, born, me, letter):
        if born != self.generation:
            return
        if self.closed:
            self.counted = (self.counted + letter)[-self.window :]
            if self.counted.count("x") >= self.limit:
                self.change(closed=False)
        elif self.probe is me:
            self.change(closed=letter == "o")

    def change(self, closed):
        self.generation += 1
        self.closed = closed
        self.counted = ""
        self.probe = None
        self.retry_at = time.monotonic() + self.cooldown

    async def call(self, operation):
        async with self.guard(), asyncio.timeout(self.timeout):
            return await operation()
