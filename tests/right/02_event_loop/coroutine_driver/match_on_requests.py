"""Requests are dataclasses, told apart by `match`; every wait has one way to undo it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass
class Sleep:
    seconds: float

    def __await__(self):
        yield self


@dataclass(eq=False)
class Join:
    task: Task

    def __await__(self):
        yield self


class Task(Generic[T]):
    def __init__(self, loop, coroutine):
        self.loop, self.coroutine = loop, coroutine
        self.state = "new"
        self.value = self.error = None
        self.joiners = set()
        self.undo = loop.call_soon(self.resume).cancel
        self.cancelling = False

    def done(self):
        return self.state == "ended"

    def result(self):
        match self.state, self.error:
            case "ended", None:
                return self.value
            case "ended", error:
                raise error
        raise RuntimeError(f"task is {self.state}")

    def cancel(self):
        match self.state:
            case "ended":
                return
            case "running":
                self.cancelling = True
            case "new":
                self.undo()
                self.coroutine.close()
                self.end(None, Cancelled())
            case "waiting" if not self.cancelling:
                self.cancelling = True
                self.undo()
                self.undo = self.loop.call_soon(self.resume).cancel

    def end(self, value, error):
        self.state, self.value, self.error = "ended", value, error
        for joiner in list(self.joiners):
            joiner.undo = self.loop.call_soon(joiner.resume).cancel
        self.joiners.clear()

    def resume(self):
        self.state = "running"
        try:
            if self.cancelling:
                self.cancelling = False
                request = self.coroutine.throw(Cancelled())
            else:
                request = self.coroutine.send(None)
        except StopIteration as stop:
            self.end(stop.value, None)
            return
        except BaseException as error:
            self.end(None, error)
            return
        self.state = "waiting"
        if self.cancelling:
            self.undo = self.loop.call_soon(self.resume).cancel
            return
        match request:
            case Sleep(seconds):
                self.undo = self.loop.call_later(seconds, self.resume).cancel
            case Join(task):
                if task.done():
                    self.undo = self.loop.call_soon(self.resume).cancel
                else:
                    task.joiners.add(self)
                    self.undo = lambda: task.joiners.discard(self)

    async def join(self):
        await Join(self)
        return self.result()


async def sleep(seconds):
    await Sleep(seconds)


def spawn(loop, coroutine):
    return Task(loop, coroutine)


def run(loop, coroutine):
    task = spawn(loop, coroutine)
    loop.run()
    return task.result()
