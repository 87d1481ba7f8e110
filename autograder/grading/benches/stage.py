"""What the graders of coroutine_driver.py share: a loop, the functions under study, a diary."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from .. import mistake
from .timer_loop import TimerLoop

STEPPED_AFTER_ITS_END = ("cannot reuse already awaited coroutine", "coroutine already executing")
"""What Python says when a coroutine is resumed that is not waiting."""


class Stage:
    """A loop in virtual time, the learner's functions on it, and a diary with times."""

    def __init__(self, submission: Any) -> None:
        self.loop = TimerLoop()
        self.sleep: Callable[[float], Awaitable[None]] = submission.sleep
        self.cancelled: type[BaseException] = submission.Cancelled
        self.spawn = partial(submission.spawn, self.loop)
        self.run_main = partial(submission.run, self.loop)
        self.diary: list[tuple[str, float]] = []

    @property
    def notes(self) -> list[str]:
        """What was noted, without the times."""
        return [text for text, _ in self.diary]

    def note(self, text: str) -> None:
        """Note something, with the time."""
        self.diary.append((text, round(self.loop.time(), 6)))

    def at(self, text: str) -> list[float]:
        """The times at which something was noted."""
        return [time for noted, time in self.diary if noted == text]

    async def sleeper(self, name: str, seconds: float, returns: Any = None) -> Any:
        """Sleep, and return a value."""
        self.note(f"{name} begins")
        await self.sleep(seconds)
        self.note(f"{name} ends")
        return returns

    async def failing(self, seconds: float, error: Exception) -> None:
        """Sleep, and raise."""
        await self.sleep(seconds)
        raise error

    async def tidy(self, name: str, waiting: Callable[[], Awaitable[Any]], tidying: float) -> None:
        """Wait, and when cancelled, take some seconds to tidy up."""
        self.note(f"{name} begins")
        try:
            await waiting()
            self.note(f"{name} ends")
        except self.cancelled:
            self.note(f"{name} is cancelled")
            await self.sleep(tidying)
            self.note(f"{name} is tidy")
            raise

    def run(self) -> None:
        """Run the loop until nothing is left; no error may reach it."""
        self.run_loop()
        self.no_errors()

    def run_loop(self) -> None:
        """Run the loop until nothing is left; errors that reach it are for `no_errors`."""
        try:
            self.loop.run()
        except self.cancelled:
            raise AssertionError(
                "Cancelled came out of a step of the task, into the loop: it is no Exception, and "
                "would have stopped the loop for everybody"
            ) from None

    def no_errors(self) -> None:
        """AssertionError if an exception came out into the loop."""
        for error in self.loop.errors:
            not_stepped_twice(error)
        if self.loop.errors:
            raise AssertionError(f"an exception came out into the loop: {self.loop.errors[0]!r}")

    def came_back(self, value: Any, got: Any) -> None:
        """AssertionError if a coroutine's value is not the one expected."""
        if got != value:
            raise AssertionError(f"expected was the value {value!r}, and it is {got!r}")
        self.no_errors()

    def was_cancelled(self, task: Any, when: str) -> None:
        """AssertionError if a task has not ended with Cancelled."""
        if not task.done():
            raise AssertionError(f"{when}, and its task has not ended")
        try:
            value = task.result()
        except self.cancelled:
            self.no_errors()
        except Exception as error:
            not_stepped_twice(error)
            raise AssertionError(f"{when}; result() raised {error!r}, not Cancelled") from None
        else:
            raise AssertionError(f"{when}; result() gave {value!r} instead of raising Cancelled")


def not_stepped_twice(error: BaseException) -> None:
    """AssertionError, with the mistake's name, if a coroutine was resumed that was not waiting."""
    if str(error) in STEPPED_AFTER_ITS_END:
        raise AssertionError(
            mistake(
                "stale-wakeup",
                f"A wake-up came that nobody was waiting for any more: the task made a step, and "
                f"Python said {str(error)!r}.",
            )
        ) from None


def same(raised: BaseException | None, error: BaseException) -> str:
    """What was raised, beside what should have been, in words."""
    alike = ", another one of its kind" if repr(raised) == repr(error) else ""
    return f"{raised!r}{alike}"
