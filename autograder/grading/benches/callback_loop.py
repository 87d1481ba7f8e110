"""The event loop of module 01: a queue of callbacks, and nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any


class CallbackLoop:
    """Runs callbacks one after another, in the order in which they were handed over.

    The loop outlives its callbacks: what one raises is kept in ``errors``, and the next one runs.
    That is how the loops of browsers, of Node.js and of asyncio go about it; they print it.
    """

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self._ready: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()

    def call_soon(self, callback: Callable[..., object], *args: Any) -> None:
        """Call ``callback(*args)`` later: when everything that is queued already has run."""
        if not callable(callback):
            raise TypeError(
                f"call_soon wants a function to call later, and was given {callback!r}; "
                "write call_soon(f, x), not call_soon(f(x))"
            )
        self._ready.append((callback, args))

    def call_after(self, turns: int, callback: Callable[..., object], *args: Any) -> None:
        """Call ``callback(*args)`` after this many turns of the queue; 0 is at once."""
        if turns:
            self.call_soon(self.call_after, turns - 1, callback, *args)
        else:
            callback(*args)

    def run(self, most: int = 5_000) -> None:
        """Run until the queue is empty; AssertionError after ``most`` callbacks."""
        for _ in range(most):
            if not self._ready:
                return
            callback, args = self._ready.popleft()
            try:
                callback(*args)
            except Exception as error:
                self.errors.append(error)
        raise AssertionError(f"after {most} callbacks the queue was still not empty")

    def take(self, expected: BaseException) -> int:
        """Take an expected error out of ``errors``: how many times was it there?"""
        before = len(self.errors)
        self.errors = [error for error in self.errors if error is not expected]
        return before - len(self.errors)

    def raise_unexpected(self) -> None:
        """Raise the first error that no one has taken: it is a slip in the studied code."""
        if self.errors:
            raise self.errors[0]
