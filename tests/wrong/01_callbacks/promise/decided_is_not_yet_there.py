"""Asks whether there is an outcome, and not whether it is decided: what start raises comes first.

It had resolved with a promise that was still on its way.

mistake: none
fails: test_what_start_raises_rejects_the_promise
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
        self._call_soon = call_soon
        self._outcome: tuple[str, Any] | None = None  # ("done", value) or ("error", exception)
        self._waiting: list[tuple[Resolve, Reject]] = []
        self._somebody_asked = False
        decided = False

        def resolve(value: Any) -> None:
            nonlocal decided
            if not decided:
                decided = True
                if isinstance(value, Promise):
                    value._tell(self._fulfil, self._reject)
                else:
                    self._fulfil(value)

        def reject(error: Exception) -> None:
            nonlocal decided
            if not decided:
                decided = True
                self._reject(error)

        try:
            start(resolve, reject)
        except Exception as error:
            if self._outcome is None:
                self._reject(error)

    def then(
        self,
        on_done: Callable[[Any], Any] | None = None,
        on_error: Callable[[Exception], Any] | None = None,
    ) -> Promise:
        """Have the handler called when the outcome is there; a promise for what it returns."""

        def start(resolve: Resolve, reject: Reject) -> None:
            def via(handler: Callable[[Any], Any]) -> Callable[[Any], None]:
                def tell(outcome: Any) -> None:
                    try:
                        resolve(handler(outcome))  # resolve flattens, if this is a promise
                    except Exception as error:
                        reject(error)

                return tell

            self._tell(
                resolve if on_done is None else via(on_done),
                reject if on_error is None else via(on_error),
            )

        return Promise(self._call_soon, start)

    def catch(self, on_error: Callable[[Exception], Any]) -> Promise:
        """Have `on_error` called if this is rejected; a promise for what it returns."""
        return self.then(None, on_error)

    def _tell(self, done: Resolve, error: Reject) -> None:
        """Have one of the two called by the loop, as soon as there is an outcome."""
        self._somebody_asked = True
        self._waiting.append((done, error))
        self._flush()

    def _fulfil(self, value: Any) -> None:
        self._outcome = ("done", value)
        self._flush()

    def _reject(self, error: Exception) -> None:
        self._outcome = ("error", error)
        self._flush()
        # Not now: most promises are rejected before anybody had the time to call `catch`.
        self._call_soon(self._report_unless_handled, error)

    def _flush(self) -> None:
        if self._outcome is None:
            return
        kind, outcome = self._outcome
        for done, error in self._waiting:
            self._call_soon(done if kind == "done" else error, outcome)
        self._waiting.clear()

    def _report_unless_handled(self, error: Exception) -> None:
        if not self._somebody_asked:
            raise error  # in a callback of the loop, which is the one who reports
