"""An event emitter: whoever wants to know hands over a function, and is called when it happens.

A download says "progress" again and again, and "done" once. It does not know who listens: a
progress bar, a log file, nobody at all. Each listener hands over a function of its own, a handler,
and the emitter calls the handlers. They are other people's code: they come, they go, they fail.

Write `Emitter`. Its `call_soon` is the way to the event loop: `call_soon(f, x)` returns at once,
and the loop calls `f(x)` later, when the code that is running now has come to its end.

Rules
  1. `on(event, handler)` adds a handler. `emit(event, *args)` calls `handler(*args)` for each
     handler of this event, one after another in the order in which they were added, and returns
     when all have been called. An event that nobody listens to is no error. Every Emitter has
     handlers of its own.
  2. A handler that was added twice is called twice. `off(event, handler)` takes a handler away,
     once: of two, one stays. Taking away what is not there is no error. Handlers are the same if
     they are equal: each time you write `self.show` you get a new object, equal to the others.
  3. `once(event, handler)` adds a handler that is called one time only. Not a second time when it
     raises, and not when the event is emitted again, by itself or by another handler, before the
     first emit is over. `off` takes it away as it does any other; once it has been called, it is
     gone, and `off` does not find it any more.
  4. Handlers may call `on`, `once`, `off` and `emit` while an emit is under way. It calls the
     handlers that were there when it began. One that is added meanwhile waits for an emit that
     begins later. One that is taken away before its turn is not called.
  5. A handler that raises an Exception stops nobody: the others are called, and `emit` returns as
     always. Its error is not lost: the same exception object is raised by a callback that you
     hand to `call_soon`, so that the loop reports it. `emit` raises nothing.

Out of scope: what handlers return, wildcards in event names, threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Handler = Callable[..., object]


class Emitter:
    """Calls the handlers of an event whenever the event is emitted."""

    def __init__(self, call_soon: Callable[..., object]) -> None:
        """`call_soon(f, *args)` has the event loop call `f(*args)` later."""
        raise NotImplementedError

    def on(self, event: str, handler: Handler) -> None:
        """Call `handler` whenever `event` is emitted."""
        raise NotImplementedError

    def once(self, event: str, handler: Handler) -> None:
        """Call `handler` the next time `event` is emitted, and then no more."""
        raise NotImplementedError

    def off(self, event: str, handler: Handler) -> None:
        """Stop calling `handler` for `event`."""
        raise NotImplementedError

    def emit(self, event: str, *args: Any) -> None:
        """Call the handlers of `event` with `args`; raises nothing."""
        raise NotImplementedError
