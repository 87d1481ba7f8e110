"""What the grader of promises shares: promises on a loop, and a diary of what handlers are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .callback_loop import CallbackLoop


class Failed(Exception):
    """What promises are rejected with."""


class Scene:
    """A loop, a diary in which handlers note what they are told, and ways to make promises."""

    def __init__(self, submission: Any) -> None:
        self.loop = CallbackLoop()
        self.submission = submission
        self.told: list[tuple[str, Any]] = []

    def promise(self) -> tuple[Any, Callable[[Any], object], Callable[[Exception], object]]:
        """A promise that is not decided, and its resolve and reject."""
        given: list[Any] = []
        promise = self.submission.Promise(self.loop.call_soon, lambda *both: given.extend(both))
        assert len(given) == 2, "when Promise(call_soon, start) returned, start had not been called"
        resolve, reject = given
        return promise, resolve, reject

    def fulfilled(self, value: Any) -> Any:
        """A promise that is fulfilled already."""
        promise, resolve, _ = self.promise()
        resolve(value)
        return promise

    def rejected(self, error: Exception) -> Any:
        """A promise that is rejected already."""
        promise, _, reject = self.promise()
        reject(error)
        return promise

    def note(self, name: str) -> Callable[[Any], None]:
        """A handler that notes what it is told, under a name."""

        def handler(what: Any) -> None:
            self.told.append((name, what))

        return handler

    def listen(self, promise: Any, name: str = "") -> None:
        """Note how a promise ends: as "on_done" or "on_error", behind a name if there is one."""
        promise.then(self.note(f"{name} on_done".strip()), self.note(f"{name} on_error".strip()))

    def assert_told(self, *expected: tuple[str, Any], after: str) -> None:
        """These handlers were called, and no others; `after` says what had happened before."""
        wanted = said(expected) if expected else "none"
        assert self.told == list(expected), f"{after}: {said(self.told)}; expected {wanted}"

    def run(self, expected_error: Exception | None = None) -> int:
        """Run the loop; how often it was told of an expected error. Any other is raised."""
        self.loop.run()
        times = self.loop.take(expected_error) if expected_error else 0
        for error in self.loop.errors:
            assert not isinstance(error, Failed), (
                f"{error!r} came out of a callback of the loop, although a handler is there for it"
            )
        self.loop.raise_unexpected()
        return times


def said(calls: Iterable[tuple[str, Any]]) -> str:
    """What handlers were told, as calls."""
    return ", then ".join(f"{name}({what!r})" for name, what in calls) or "no handler was called"


def raiser(error: Exception) -> Callable[[Any], None]:
    """A handler that raises."""

    def handler(what: Any) -> None:
        raise error

    return handler
