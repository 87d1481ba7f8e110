"""A promise: an object that stands for an answer that is not there yet.

With callbacks, whoever asks hands over two functions and hopes for the best. A promise turns that
round: whoever asks gets an object back, and whoever wants the answer asks the object. It takes care
of what order_total had to take care of by hand: one outcome, once, never too early, no error lost.

Write `Promise`. `call_soon(f, x)` returns at once, and the event loop calls `f(x)` later, when the
code that is running now has come to its end.

Rules
  1. `Promise(call_soon, start)` calls `start(resolve, reject)` at once. `resolve(value)` fulfils
     the promise, `reject(error)` rejects it, at once or later. The first call of the two decides;
     every later one does nothing. What `start` raises rejects the promise, if nothing is decided.
  2. `then(on_done, on_error)` asks for the outcome: `on_done(value)` is called when the promise is
     fulfilled, `on_error(error)` when it is rejected. It may be asked at any time, before and after
     the outcome is there, and as often as you like: each is told, once, in the order of asking.
  3. Handlers are called by the loop, by callbacks handed to `call_soon`: never inside `then`,
     `resolve`, `reject` or another handler. Those that are due first are called first.
  4. `then` returns a new promise, for what becomes of the handler: what the handler returns fulfils
     it, what it raises rejects it. That goes for `on_error`, too: a handler that returns has dealt
     with the error.
  5. Without a handler for the outcome (None stands for none), the new promise has the same outcome.
     `catch(on_error)` is `then(None, on_error)`.
  6. A promise that is to be fulfilled with another promise takes over that one's outcome instead,
     as soon as it is there. So it is when a handler returns a promise, and for `resolve(promise)`,
     after which everything is decided.
  7. A rejection that nobody handles is reported: the error, the same object, is raised once by a
     callback of the loop. Nobody handles it if, when the code that is running now and the callbacks
     that are queued already have come to their ends, nobody has asked this promise for its outcome
     (with `then` or `catch`) and no promise takes it over. Whoever asks later is still told.

A value may be anything, also None. An error is an Exception.

Out of scope: a promise that is resolved with itself, cancelling, waiting for several promises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Resolve = Callable[[Any], object]
Reject = Callable[[Exception], object]


class Promise:
    """An outcome that may still be on its way: a value, or an error."""

    def __init__(
        self, call_soon: Callable[..., object], start: Callable[[Resolve, Reject], object]
    ) -> None:
        """Call `start(resolve, reject)`, which decides now or later how this ends."""
        raise NotImplementedError

    def then(
        self,
        on_done: Callable[[Any], Any] | None = None,
        on_error: Callable[[Exception], Any] | None = None,
    ) -> Promise:
        """Have the handler called when the outcome is there; a promise for what it returns."""
        raise NotImplementedError

    def catch(self, on_error: Callable[[Exception], Any]) -> Promise:
        """Have `on_error` called if this is rejected; a promise for what it returns."""
        raise NotImplementedError
