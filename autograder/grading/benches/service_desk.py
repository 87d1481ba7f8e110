"""What a service is given, for graders: requests, signals, a clean-up, and a book of it all."""

from __future__ import annotations

import asyncio
import inspect
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from autograder.grading import mistake
from autograder.simulation import World


class RequestFailed(Exception):
    """What a failing handler raises."""


@dataclass(frozen=True)
class Request:
    """Takes `takes` seconds to handle, and `tidy` more to clean up when it is cancelled.

    It is false in an `if`, as requests may be: what has been accepted is accepted.
    """

    name: str
    takes: float = 1.0
    tidy: float = 0.0
    fails: bool = False

    def __bool__(self) -> bool:
        return False


class Desk:
    """What a service is given: requests, signals, a clean-up; keeps a record of everything."""

    def __init__(self, world: World, clean_up_takes: float = 1.0) -> None:
        self.world = world
        self.clean_up_takes = clean_up_takes
        self.waiting: asyncio.Queue[Request | Exception] = asyncio.Queue()
        self.accepted: dict[str, float] = {}
        self.running: set[str] = set()
        self.done: list[str] = []
        self.cancelled: list[str] = []
        self.handlers: dict[int, Callable[[], object]] = {}
        self.signalled: float | None = None
        self.cleaning = 0
        self.cleaned = 0
        self.running_at_clean_up: set[str] = set()
        self.task: asyncio.Task[Any] | None = None

    # -- handed to the service ----------------------------------------------------------------

    async def receive(self) -> Request:
        request = await self.waiting.get()
        if isinstance(request, Exception):
            raise request
        self.accepted[request.name] = self.world.time()
        return request

    async def handle(self, request: Request) -> None:
        self.running.add(request.name)
        try:
            await asyncio.sleep(request.takes)
            if request.fails:
                raise RequestFailed(request.name)
            self.done.append(request.name)
        except asyncio.CancelledError:
            self.cancelled.append(request.name)
            if request.tidy:
                await asyncio.sleep(request.tidy)
                self.cancelled.append(f"{request.name}, cleaned up")
            raise
        finally:
            self.running.discard(request.name)

    async def clean_up(self) -> None:
        self.cleaning += 1
        self.running_at_clean_up = set(self.running)
        await asyncio.sleep(self.clean_up_takes)
        self.cleaned += 1

    def on_signal(self, number: signal.Signals, callback: Callable[[], object]) -> None:
        if inspect.iscoroutinefunction(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        self.handlers[number] = callback

    # -- for the test -------------------------------------------------------------------------

    def serve(self, submission: ModuleType, grace: float | None = None) -> Coroutine[Any, Any, Any]:
        """The learner's serve, at this desk; None is the usual grace, of 10 s."""
        options = {} if grace is None else {"grace": grace}
        served: Coroutine[Any, Any, Any] = submission.serve(
            self.receive, self.handle, self.clean_up, self.on_signal, **options
        )
        return served

    def start(self, submission: ModuleType, grace: float | None = None) -> asyncio.Task[Any]:
        """Start it as a task."""
        self.task = asyncio.create_task(self.serve(submission, grace))
        return self.task

    def assert_running(self) -> None:
        """Nobody has told serve to stop; if it has raised, that is what there is to say."""
        if self.task is None or not self.task.done():
            return
        assert not self.task.cancelled(), "serve was cancelled, and nobody had cancelled it"
        error = self.task.exception()
        if error is not None and not any(isinstance(e, RequestFailed) for e in leaves(error)):
            raise error
        how = "with a handler's exception" if error else "and nobody had told it to"
        raise AssertionError(f"serve has ended, {how}")

    def add(self, *requests: Request | Exception) -> None:
        """Let these come in."""
        for request in requests:
            self.waiting.put_nowait(request)

    def sigterm_if_possible(self) -> None:
        """Send the signal, if serve has got so far as to say who handles it."""
        if signal.SIGTERM in self.handlers:
            self.handlers[signal.SIGTERM]()

    def sigterm(self) -> None:
        """Send the signal."""
        if self.signalled is None:
            self.assert_running()
            self.signalled = self.world.time()
        assert signal.SIGTERM in self.handlers, "serve has not called on_signal(signal.SIGTERM, …)"
        self.handlers[signal.SIGTERM]()


def leaves(error: BaseException) -> list[BaseException]:
    """The exceptions in a group of groups; one that is no group alone."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]


async def end_of(task: asyncio.Task[Any], within: float) -> Any:
    """What serve returned; an assertion if it does not end in time."""
    await asyncio.wait([task], timeout=within)
    assert task.done(), mistake(
        "never-stops", f"{within:.0f} s after it had been told to stop, serve was still running."
    )
    return await task


def assert_cleaned_up(desk: Desk, when: str) -> None:
    """clean_up was called once, after the last handler had ended, and ran to its end."""
    assert desk.cleaning, f"serve {when}, and clean_up was never called"
    assert desk.cleaning == 1, f"serve {when}, and clean_up was called {desk.cleaning} times"
    assert desk.cleaned, mistake(
        "cleanup-cancelled",
        f"serve {when}, and when it ended, clean_up had begun and had not been finished.",
    )
    assert not desk.running_at_clean_up, (
        f"clean_up began while {', '.join(sorted(desk.running_at_clean_up))} was still at work"
    )


def counted(summary: Any) -> dict[str, Any]:
    """The numbers of a Summary, by name."""
    return {name: getattr(summary, name, None) for name in ("done", "failed", "cancelled")}
