"""Cancels those who sleep. Whoever waits in join has no timer to take back, and was forgotten.

mistake: cancel-is-ignored
fails: test_an_old_join_does_not_end_a_new_wait, test_cancelled_in_the_moment_its_wait_ends
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


class Handle(Protocol):
    """What the loop gives for a call: it can be taken back."""

    def cancel(self) -> None: ...


class Loop(Protocol):
    """The event loop. It is handed in; your own mini_loop is one."""

    def time(self) -> float: ...
    def call_soon(self, callback: Callable[..., object], *args: Any) -> Handle: ...
    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Handle: ...
    def run(self) -> None: ...


class Cancelled(BaseException):
    """Raised in a coroutine whose task was cancelled, at the await where it waits."""


@types.coroutine
def _ask(request):
    yield request


class Task(Generic[T]):
    """A coroutine that runs on a loop. `spawn` makes it."""

    def __init__(self, loop, coroutine):
        self._loop = loop
        self._coroutine = coroutine
        self._done = False
        self._value = None
        self._error = None
        self._waiters = []
        self._joining = None  # the task we wait for
        self._running = False
        self._cancel_wanted = False
        self._handle = loop.call_soon(self._step)

    def done(self) -> bool:
        return self._done

    def result(self) -> T:
        if not self._done:
            raise RuntimeError("the task has not ended")
        if self._error is not None:
            raise self._error
        return self._value

    def cancel(self) -> None:
        if self._done or self._cancel_wanted or (self._joining is not None):
            return
        self._cancel_wanted = True
        if not self._running:
            self._forget_wait()
            self._handle = self._loop.call_soon(self._step)

    async def join(self) -> T:
        if not self._done:
            await _ask(("join", self))
        return self.result()

    def _forget_wait(self):
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._joining is not None:
            if self in self._joining._waiters:
                self._joining._waiters.remove(self)
            self._joining = None

    def _step(self):
        self._handle = None
        self._joining = None
        self._running = True
        try:
            if self._cancel_wanted:
                self._cancel_wanted = False
                request = self._coroutine.throw(Cancelled())
            else:
                request = self._coroutine.send(None)
        except StopIteration as stop:
            self._end(stop.value, None)
        except BaseException as error:
            self._end(None, error)
        else:
            self._wait_for(request)
        finally:
            self._running = False

    def _wait_for(self, request):
        what, arg = request
        if self._cancel_wanted:
            self._handle = self._loop.call_soon(self._step)
        elif what == "sleep":
            self._handle = self._loop.call_later(arg, self._step)
        else:
            self._joining = arg
            arg._waiters.append(self)

    def _end(self, value, error):
        self._done = True
        self._value = value
        self._error = error
        for waiter in self._waiters:
            waiter._handle = self._loop.call_soon(waiter._step)
        self._waiters.clear()


def spawn(loop: Loop, coroutine: Coroutine[Any, Any, T]) -> Task[T]:
    """Have `loop` run a coroutine, beginning soon; return its task at once."""
    return Task(loop, coroutine)


async def sleep(seconds: float) -> None:
    """Wait for so many seconds, while others run."""
    await _ask(("sleep", seconds))


def run(loop: Loop, coroutine: Coroutine[Any, Any, T]) -> T:
    """Spawn a coroutine, run the loop to its end, and return or raise what the coroutine did."""
    task = spawn(loop, coroutine)
    loop.run()
    return task.result()
