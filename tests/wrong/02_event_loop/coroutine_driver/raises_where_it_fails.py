"""Lets the exception of a task come out of its step, into the loop.

The loop reports it, so it is not lost. But whoever waits for the task waits for ever.

mistake: exception-not-thrown-in
fails: test_join_raises_the_error, test_run_raises_what_the_coroutine_raises,
    test_an_error_stops_only_its_own_task, test_cancelling_too_late_changes_nothing
"""

import types
from dataclasses import dataclass, field
from typing import Any


class Cancelled(BaseException):
    pass


@dataclass(eq=False)
class Task:
    loop: Any
    coroutine: Any
    value: Any = None
    ended: bool = False
    gone: bool = False
    number: int = 0
    pending_cancel: bool = False
    joined_by: list = field(default_factory=list)

    def done(self):
        return self.ended

    def result(self):
        if not self.ended:
            raise RuntimeError
        if self.gone:
            raise Cancelled
        return self.value

    def cancel(self):
        if not self.ended and not self.pending_cancel:
            self.pending_cancel = True
            self.loop.call_soon(self.step, None)

    async def join(self):
        if not self.ended:
            await suspend(("join", self))
        return self.result()

    def step(self, number):
        if self.ended or (number != self.number and not (number is None and self.pending_cancel)):
            return
        self.number += 1
        try:
            if self.pending_cancel:
                self.pending_cancel = False
                kind, what = self.coroutine.throw(Cancelled())
            else:
                kind, what = self.coroutine.send(None)
        except StopIteration as stop:
            self.end(stop.value)
        except Cancelled:
            self.gone = True
            self.end(None)
        else:
            if kind == "sleep":
                self.loop.call_later(what, self.step, self.number)
            else:
                what.joined_by.append((self, self.number))

    def end(self, value):
        self.ended = True
        self.value = value
        for task, number in self.joined_by:
            self.loop.call_soon(task.step, number)


@types.coroutine
def suspend(request):
    yield request


def spawn(loop, coroutine):
    task = Task(loop, coroutine)
    loop.call_soon(task.step, 0)
    return task


async def sleep(seconds):
    await suspend(("sleep", seconds))


def run(loop, coroutine):
    task = spawn(loop, coroutine)
    loop.run()
    return task.result()
