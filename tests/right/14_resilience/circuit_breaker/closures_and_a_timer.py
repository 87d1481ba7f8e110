"""A closure for each call says what became of it; a timer of the loop ends the cooldown."""

import asyncio
import functools


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
        self.failures, self.window = failures, window
        self.cooldown, self.timeout = cooldown, timeout
        self.marks = []
        self.due = None
        self.admit = self.admit_anybody

    def admit_anybody(self):
        marks = self.marks

        def report(good):
            if good is None or marks is not self.marks:
                return
            marks.append(good)
            del marks[: -self.window]
            if marks.count(False) >= self.failures:
                self.trip()

        return report

    def admit_nobody(self):
        raise CircuitOpen(max(0.0, self.due - asyncio.get_running_loop().time()))

    def admit_one(self):
        self.admit = self.admit_nobody

        def report(good):
            if good is None:
                self.admit = self.admit_one
            elif good:
                self.admit = self.admit_anybody
            else:
                self.trip()

        return report

    def trip(self):
        loop = asyncio.get_running_loop()
        self.marks = []
        self.admit = self.admit_nobody
        self.due = loop.time() + self.cooldown
        loop.call_at(self.due, functools.partial(setattr, self, "admit", self.admit_one))

    async def call(self, operation):
        report = self.admit()
        task = asyncio.ensure_future(operation())
        try:
            await asyncio.wait({task}, timeout=self.timeout)
        finally:
            late = not task.done()
            if late:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                report(None if asyncio.current_task().cancelling() else False)
        if late:
            raise TimeoutError
        if task.cancelled():
            report(None)
        else:
            match task.exception():
                case None | Declined():
                    report(True)
                case Unavailable() | ConnectionError() | TimeoutError():
                    report(False)
                case _:
                    report(None)
        return task.result()
