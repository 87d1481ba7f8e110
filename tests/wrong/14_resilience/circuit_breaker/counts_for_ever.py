"""Counts failures until there are enough.

Three failures in three weeks, and on the Sunday of the third it opens.

mistake: never-forgets
fails: test_old_failures_are_forgotten, test_calls_count_in_the_order_in_which_they_ended,
       test_a_good_probe_closes_it
"""

import asyncio
import time


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
        self.failures = failures
        self.window = window
        self.cooldown = cooldown
        self.timeout = timeout
        self.recent = []
        self.opened_at = None
        self.probing = False
        self.era = 0

    async def call(self, operation):
        probe = False
        if self.opened_at is not None:
            left = self.opened_at + self.cooldown - time.monotonic()
            if left > 0:
                raise CircuitOpen(left)
            if self.probing:
                raise CircuitOpen(0.0)
            self.probing = probe = True
        era = self.era
        try:
            async with asyncio.timeout(self.timeout):
                result = await operation()
        except (Unavailable, ConnectionError, TimeoutError):
            self.failed(era, probe)
            raise
        except Declined:
            self.succeeded(era, probe)
            raise
        except BaseException:
            self.nothing_learned(probe)
            raise
        self.succeeded(era, probe)
        return result

    def nothing_learned(self, probe):
        if probe:
            self.probing = False

    def failed(self, era, probe):
        if era != self.era:
            return
        if probe:
            self.open()
            return
        self.note(1)
        if sum(self.recent) >= self.failures:
            self.open()

    def succeeded(self, era, probe):
        if era != self.era:
            return
        if probe:
            self.close()
        else:
            self.note(0)

    def note(self, failure):
        self.recent.append(failure)

    def open(self):
        self.era += 1
        self.opened_at = time.monotonic()
        self.probing = False

    def close(self):
        self.era += 1
        self.opened_at = None
        self.probing = False
        self.recent = []
