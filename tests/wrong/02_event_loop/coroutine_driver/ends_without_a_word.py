"""A task that has not begun just ends when it is cancelled: there is nobody to be told, is there?

Whoever has been waiting in its join waits for ever.

mistake: none
fails: test_who_joins_one_that_never_begins_goes_on
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
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


class _Joining:
    """A task that waits for another one to end: the Handle of that wait."""

    def __init__(self, task: Task[Any]) -> None:
        self.task = task
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


# What an await yields to the driver: a function that begins the wait. It is given the task that is
# to wait, sees to it that the task is woken, and returns the handle that takes this back.
_Wait = Callable[["Task[Any]"], Handle]


@types.coroutine
def _wait(wait: _Wait) -> Generator[_Wait, None, None]:
    yield wait


class Task(Generic[T]):
    """A coroutine that runs on a loop. `spawn` makes it."""

    def __init__(self, loop: Loop, coroutine: Coroutine[Any, Any, T]) -> None:
        self.loop = loop
        self._coroutine = coroutine
        self._ended = False
        self._value: T
        self._error: BaseException | None = None
        self._cancelling = False
        self._begun = False
        self._joining: list[_Joining] = []
        # The one thing that will wake this task. None while it runs: then nothing need wake it.
        self._wake_up: Handle | None = loop.call_soon(self._step)

    def done(self) -> bool:
        """Whether the coroutine has ended."""
        return self._ended

    def result(self) -> T:
        """Return what the coroutine returned, or raise what it raised; RuntimeError before."""
        if not self._ended:
            raise RuntimeError("the task has not ended yet")
        if self._error is not None:
            raise self._error
        return self._value

    def cancel(self) -> None:
        """Have Cancelled raised in the coroutine, soon, at the await where it waits."""
        if not self._ended:
            if not self._begun:
                self._wake_up.cancel()
                self._coroutine.close()
                self._ended = True
                self._error = Cancelled()
                return
            self._cancelling = True
            if self._wake_up is not None:
                self.wake()

    async def join(self) -> T:
        """Wait until the coroutine has ended; return what it returned, or raise what it raised."""
        if not self._ended:
            await _wait(self._add_joining)
        return self.result()

    def wake(self) -> None:
        """Go on soon, instead of when the present wait is over."""
        if self._wake_up is not None:
            self._wake_up.cancel()
        self._wake_up = self.loop.call_soon(self._step)

    def _add_joining(self, task: Task[Any]) -> Handle:
        self._joining.append(_Joining(task))
        return self._joining[-1]

    def _step(self) -> None:
        """Run the coroutine from where it waits to its next wait, or to its end."""
        self._wake_up = None
        self._begun = True
        try:
            if self._cancelling:
                self._cancelling = False
                wait = self._coroutine.throw(Cancelled())
            else:
                wait = self._coroutine.send(None)
        except StopIteration as stop:
            self._value = stop.value
            self._end()
        except (Exception, Cancelled) as error:
            self._error = error
            self._end()
        else:
            self._wake_up = wait(self)
            if self._cancelling:  # it has cancelled itself in this step
                self.wake()

    def _end(self) -> None:
        self._ended = True
        for joining in self._joining:
            if not joining.cancelled:
                joining.task.wake()


def spawn(loop: Loop, coroutine: Coroutine[Any, Any, T]) -> Task[T]:
    """Have `loop` run a coroutine, beginning soon; return its task at once."""
    return Task(loop, coroutine)


async def sleep(seconds: float) -> None:
    """Wait for so many seconds, while others run."""
    await _wait(lambda task: task.loop.call_later(seconds, task.wake))


def run(loop: Loop, coroutine: Coroutine[Any, Any, T]) -> T:
    """Spawn a coroutine, run the loop to its end, and return or raise what the coroutine did."""
    task = spawn(loop, coroutine)
    loop.run()
    if not task.done():
        raise RuntimeError("the loop has nothing left to do, and the coroutine is still waiting")
    return task.result()
