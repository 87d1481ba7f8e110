"""The coroutine yields instructions, ("sleep", 3) or ("join", task), and every wait has a number.

A wake-up carries the number of the wait that it belongs to; one with an old number does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from types import coroutine as makes_awaitable
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


class Handle(Protocol):
    def cancel(self) -> None: ...


class Loop(Protocol):
    def time(self) -> float: ...
    def call_soon(self, callback: Callable[..., object], *args: Any) -> Handle: ...
    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Handle: ...
    def run(self) -> None: ...


class Cancelled(BaseException):
    pass


class Task(Generic[T]):
    def __init__(self, loop: Loop, coro: Coroutine[Any, Any, T]) -> None:
        self.loop = loop
        self.coro = coro
        self.wait = 0
        self.ended = False
        self.outcome: list[Any] = []
        self.joiners: list[tuple[Task[Any], int]] = []
        self.cancels = False
        loop.call_soon(self.go_on, 0)

    def done(self) -> bool:
        return self.ended

    def result(self) -> T:
        if not self.ended:
            raise RuntimeError("has not ended")
        how, what = self.outcome
        if how == "raise":
            raise what
        return what

    def cancel(self) -> None:
        if not self.cancels:
            self.cancels = True
            self.loop.call_soon(self.deliver_cancel)

    def deliver_cancel(self) -> None:
        if self.cancels and not self.ended:
            self.go_on(self.wait)

    async def join(self) -> T:
        if not self.ended:
            await ask("join", self)
        return self.result()

    def go_on(self, wait: int) -> None:
        if wait != self.wait or self.ended:
            return
        self.wait += 1
        try:
            if self.cancels:
                self.cancels = False
                instruction = self.coro.throw(Cancelled)
            else:
                instruction = self.coro.send(None)
        except StopIteration as stop:
            self.end("return", stop.value)
        except (Exception, Cancelled) as error:
            self.end("raise", error)
        else:
            match instruction:
                case ("sleep", seconds):
                    self.loop.call_later(seconds, self.go_on, self.wait)
                case ("join", task) if task.ended:
                    self.loop.call_soon(self.go_on, self.wait)
                case ("join", task):
                    task.joiners.append((self, self.wait))

    def end(self, how: str, what: Any) -> None:
        self.ended = True
        self.outcome = [how, what]
        for task, wait in self.joiners:
            self.loop.call_soon(task.go_on, wait)


@makes_awaitable
def ask(*instruction: Any) -> Generator[Any, None, None]:
    yield instruction


def spawn(loop: Loop, coroutine: Coroutine[Any, Any, T]) -> Task[T]:
    return Task(loop, coroutine)


async def sleep(seconds: float) -> None:
    await ask("sleep", seconds)


def run(loop: Loop, coroutine: Coroutine[Any, Any, T]) -> T:
    task = spawn(loop, coroutine)
    loop.run()
    if not task.ended:
        raise RuntimeError("deadlock")
    return task.result()
