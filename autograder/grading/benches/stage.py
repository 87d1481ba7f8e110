"""What the graders of coroutine_driver.py share: a loop, the functions under study, a diary."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from .timer_loop import TimerLoop


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
        self.diary.append((text, self.loop.time()))

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
        self.loop.run()
        self.no_errors()

    def no_errors(self) -> None:
        """AssertionError if an exception came out into the loop."""
        if self.loop.errors:
            raise AssertionError(f"an exception came out into the loop: {self.loop.errors[0]!r}")

    def came_back(self, value: Any, got: Any) -> None:
        """AssertionError if a coroutine's value is not the one expected."""
        if got != value:
            raise AssertionError(f"expected was the value {value!r}, and it is {got!r}")
        self.no_errors()
