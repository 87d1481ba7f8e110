"""Calls handlers on the spot: those that wait when it is resolved, and late ones in then.

The shortest promise there is. Code after `resolve(value)` runs before the handlers or after them,
depending on who was quicker, and a long chain is a deep stack.

mistake: inline-callback
fails: test_then_calls_no_handler, test_resolve_and_reject_call_no_handler,
    test_handlers_of_a_chain_wait_for_their_turn,
    test_everyone_who_asks_is_told_in_the_order_of_asking
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Promise:
    def __init__(self, call_soon: Callable[..., object], start: Callable[..., object]) -> None:
        self.call_soon = call_soon
        self.state = "pending"
        self.outcome: Any = None
        self.waiting: list[tuple[Callable[..., object], Callable[..., object]]] = []
        self.asked = False
        self.locked = False
        try:
            start(self.resolve, self.reject)
        except Exception as error:
            self.reject(error)

    def resolve(self, value: Any) -> None:
        if self.locked:
            return
        self.locked = True
        if isinstance(value, Promise):
            value.listen(lambda v: self.settle("done", v), lambda e: self.settle("error", e))
        else:
            self.settle("done", value)

    def reject(self, error: Exception) -> None:
        if not self.locked:
            self.locked = True
            self.settle("error", error)

    def settle(self, state: str, outcome: Any) -> None:
        self.state, self.outcome = state, outcome
        for pair in self.waiting:
            pair[state == "error"](outcome)
        self.waiting = []
        if state == "error":
            self.call_soon(self.check)

    def check(self) -> None:
        if not self.asked:
            raise self.outcome

    def listen(self, done: Callable[..., object], error: Callable[..., object]) -> None:
        self.asked = True
        if self.state == "pending":
            self.waiting.append((done, error))
        else:
            (done, error)[self.state == "error"](self.outcome)

    def then(self, on_done: Any = None, on_error: Any = None) -> Promise:
        def start(resolve: Callable[..., object], reject: Callable[..., object]) -> None:
            def step(handler: Any, otherwise: Callable[..., object]) -> Callable[..., object]:
                def run(outcome: Any) -> None:
                    if handler is None:
                        otherwise(outcome)
                        return
                    try:
                        result = handler(outcome)
                    except Exception as error:
                        reject(error)
                    else:
                        resolve(result)

                return run

            self.listen(step(on_done, resolve), step(on_error, reject))

        return Promise(self.call_soon, start)

    def catch(self, on_error: Any) -> Promise:
        return self.then(None, on_error)
