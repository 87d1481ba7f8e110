"""Run `async def` on an event loop that knows only callbacks.

`async def` makes a coroutine: a function that can stop in the middle, and be resumed with `send`
and `throw`. It does not resume itself. A task does that: it takes one step after another, each in
a callback of the event loop, and between two steps the coroutine waits for a timer, or for
another task. That is all there is to asyncio.run, create_task and sleep.

Write `Task`, `spawn`, `sleep` and `run`. `Loop`, `Handle` and `Cancelled` are given. What your
`sleep` and `join` hand to your task, to say what they wait for, is up to you.

Rules
  1. `spawn(loop, coroutine)` returns a Task at once. The coroutine begins later. Each of its steps
     is made in a callback of the loop, never inside `spawn`, `cancel`, or the step of another task
     (a chain of thousands of tasks, each waiting for the next, is no problem).
  2. `await sleep(seconds)` waits so long on the loop's clock, while others run. Others that are
     ready get a turn even if `seconds` is 0.
  3. `await task.join()` waits for the end of a task and gives what its coroutine returned: any
     value, None or an exception among them. It may be called before and after the end, and by any
     number of coroutines.
  4. If a coroutine raises, `await task.join()` raises the same exception in the coroutine that
     waits, at that await. The loop itself sees no exception.
  5. `task.cancel()` returns at once. Soon, without waiting for what the coroutine waits for,
     Cancelled is raised in it, at its await. It may clean up, and wait while it does: nothing but
     that wait's own end, or a new cancel, ends that wait. It may also catch Cancelled and go on.
     A coroutine that lets it pass has ended, and join raises Cancelled.
  6. And at odd moments: a coroutine that has not begun never does, and its task ends with
     Cancelled. One that has ended stays as it is. `cancel` called twice in a row raises one
     Cancelled. A coroutine that cancels its own task, or is cancelled just when its wait has
     ended, gets Cancelled at this await or the next; if it ends before, it ends as it would have.
     Whoever is cancelled in `join` leaves the other task running.
  7. `task.done()` says whether the coroutine has ended. `task.result()` returns what it returned
     or raises what it raised, and raises RuntimeError if it has not ended.
  8. `run(loop, coroutine)` spawns the coroutine, calls `loop.run()`, which returns when nothing is
     left to do, and then returns or raises what the coroutine did. RuntimeError if it has not
     ended even then: it waits for what will never come.

Out of scope: awaiting anything but `sleep` and `join`, exceptions nobody joins for, timeouts.
"""

from __future__ import annotations

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


class Task(Generic[T]):
    """A coroutine that runs on a loop. `spawn` makes it."""

    def done(self) -> bool:
        """Whether the coroutine has ended."""
        raise NotImplementedError

    def result(self) -> T:
        """Return what the coroutine returned, or raise what it raised; RuntimeError before."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Have Cancelled raised in the coroutine, soon, at the await where it waits."""
        raise NotImplementedError

    async def join(self) -> T:
        """Wait until the coroutine has ended; return what it returned, or raise what it raised."""
        raise NotImplementedError


def spawn(loop: Loop, coroutine: Coroutine[Any, Any, T]) -> Task[T]:
    """Have `loop` run a coroutine, beginning soon; return its task at once."""
    raise NotImplementedError


async def sleep(seconds: float) -> None:
    """Wait for so many seconds, while others run."""
    raise NotImplementedError


def run(loop: Loop, coroutine: Coroutine[Any, Any, T]) -> T:
    """Spawn a coroutine, run the loop to its end, and return or raise what the coroutine did."""
    raise NotImplementedError
