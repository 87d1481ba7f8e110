"""An event loop: it calls what is ready, and waits when nothing is.

Under every `async` program lies a loop of about sixty lines. It has a queue of calls that are
ready, timers for calls whose time will come, and a selector that knows which sockets are ready.
At the end of this module yours serves hundreds of connections.

Write `MiniLoop` and `Handle`. `selector` is one of the standard library's `selectors`, `clock()`
returns the time in seconds as `time.monotonic` does, and `report(error)` is for errors. (The grader
hands in its own: with them a wait of an hour takes no time.)

Rules
  1. `call_soon(f, *args)` has `run` call `f(*args)`: later, in the order in which the calls were
     asked for. `call_soon` itself calls nothing, nor does anything else but `run`.
  2. `call_at(when, f, *args)` has it called when the clock says `when`, `call_later(delay, ...)`
     in `delay` seconds: never before its time, earlier times first, equal times in the order in
     which they were asked for. A time that has passed already is due at once, among the others in
     the order of their times. `time()` returns what the clock says.
  3. All three return a Handle. After `handle.cancel()` the call is not made, even if it was the
     very next. Nobody waits for a cancelled timer. To cancel twice, or too late, is no error.
  4. Whoever has a socket registers it with the selector, with a function as its `data`. For each
     `(key, events)` that `select` returns, `run` calls `key.data(events)`.
  5. `run` works in turns. A turn takes what is ready *now* (calls asked for with `call_soon`,
     timers that are due, sockets that are ready), calls that, and nothing that was added
     meanwhile. So neither a call nor a timer that asks for itself again and again, nor a socket
     that is always ready, keeps timers, sockets or other calls from their turn.
  6. If nothing is ready, `run` waits, in `selector.select(timeout)` and nowhere else: until the
     next timer is due, or, if there is none, until a socket is ready (timeout None). It does not
     wait while something is ready.
  7. A call that raises an Exception stops nobody: `report` is called with the exception, and `run`
     goes on. What is no Exception, such as KeyboardInterrupt, leaves `run`.
  8. `run` returns when nothing is ready, no timer waits, and no socket is registered
     (`selector.get_map()` is empty). It can be called again.

Out of scope: threads, signals, a way to stop `run` earlier, what becomes of the rest of a turn that
KeyboardInterrupt has left, a `report` that fails.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable
from typing import Any


class Handle:
    """A call that has been asked for."""

    def cancel(self) -> None:
        """Take the call back; without effect once it has been made."""
        raise NotImplementedError


class MiniLoop:
    """Calls callbacks when they are ready, their time has come, or their socket is ready."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        clock: Callable[[], float],
        report: Callable[[Exception], object],
    ) -> None:
        raise NotImplementedError

    def time(self) -> float:
        """Return what the clock says, in seconds."""
        raise NotImplementedError

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Handle:
        """Call `callback(*args)` in the next turn."""
        raise NotImplementedError

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Handle:
        """Call `callback(*args)` in `delay` seconds."""
        raise NotImplementedError

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Handle:
        """Call `callback(*args)` when the clock says `when`."""
        raise NotImplementedError

    def run(self) -> None:
        """Run until nothing is ready, no timer waits, and no socket is registered."""
        raise NotImplementedError
