"""Stop a service without dropping what it is working on.

Whoever deploys a new version stops the old one first. The process gets a SIGTERM, has some seconds
to put its things in order, and is killed then. In these seconds it takes in nothing new, finishes
what it has begun, gives up what takes too long, and closes the database, in this order. It is not
difficult, and nearly always something is forgotten, since nobody looks at a process that ends.

Write `serve`. `Summary` is given; leave it as it is. In a program, `on_signal` is the event loop's
`add_signal_handler`; here it is handed in, and `serve` sees no difference.

Rules
  1. `serve` takes in requests with `await receive()`, one after another, and handles each one with
     `handle(request)` in a task of its own, so that the next one can come in at once. A request is
     accepted when `receive` returns it. If `receive` is cancelled, it has taken nothing in.
  2. A handler that raises is counted as failed, and disturbs nobody (it has logged its own error).
  3. First of all `serve` calls `on_signal(signal.SIGTERM, stop)`, where `stop` is a function of
     yours without arguments, not an async one. The event loop calls it when the signal comes.
  4. From the signal on, no request is accepted. Nobody waits for one that may come in an hour.
  5. What has been accepted has `grace` seconds from the signal on. When all of it is finished,
     there is no reason to wait any longer.
  6. What is not finished after `grace` seconds is cancelled, and gets the time to clean up.
  7. When the last handler has ended, `clean_up()` is awaited, exactly once. Then `serve` returns
     the summary. Further signals, which may come at any time, change nothing.
  8. If `serve` is cancelled, there is no grace: what is in flight is cancelled, and when it has
     cleaned up, `clean_up()` is awaited. Then the cancellation goes on to the caller.
  9. Once it has begun, `clean_up()` runs to its end, even if `serve` is cancelled meanwhile, and so
     do the handlers that clean up before it. That cancellation, too, goes on to the caller then.
 10. If `receive` raises an exception, `serve` stops as at a signal, and raises it at the end.

Out of scope: a limit of requests at once, handlers that refuse to be cancelled, a `receive` that
takes its time to be cancelled, a `clean_up` that raises, taking the signal handler away again.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

Request = TypeVar("Request")


@dataclass(frozen=True)
class Summary:
    """How many requests ended in which way."""

    done: int
    failed: int
    cancelled: int


async def serve(
    receive: Callable[[], Coroutine[Any, Any, Request]],
    handle: Callable[[Request], Coroutine[Any, Any, object]],
    clean_up: Callable[[], Coroutine[Any, Any, object]],
    on_signal: Callable[[signal.Signals, Callable[[], object]], object],
    *,
    grace: float = 10.0,
) -> Summary:
    """Handle requests until SIGTERM; then drain for `grace` seconds, cancel the rest, clean up."""
    raise NotImplementedError
