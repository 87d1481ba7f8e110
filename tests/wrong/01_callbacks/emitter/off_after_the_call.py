"""Wraps a once-handler in a function that calls it and then takes itself away.

Call, then remove: between the two runs the handler, and a handler may emit. It also may raise, and
then the line that removes it is never reached.

mistake: fires-twice
fails: test_once_is_called_once_even_if_it_emits, test_once_is_called_once_even_if_it_raises,
    test_off_takes_a_once_handler_away, test_off_knows_a_method_again,
    test_a_handler_taken_away_before_its_turn_is_not_called
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Emitter:
    def __init__(self, call_soon: Callable[..., object]) -> None:
        self.call_soon = call_soon
        self.handlers: dict[str, list[Callable[..., object]]] = {}

    def on(self, event: str, handler: Callable[..., object]) -> None:
        self.handlers.setdefault(event, []).append(handler)

    def once(self, event: str, handler: Callable[..., object]) -> None:
        def wrapper(*args: Any) -> None:
            handler(*args)
            self.off(event, wrapper)

        self.on(event, wrapper)

    def off(self, event: str, handler: Callable[..., object]) -> None:
        if handler in self.handlers.get(event, []):
            self.handlers[event].remove(handler)

    def emit(self, event: str, *args: Any) -> None:
        for handler in self.handlers.get(event, [])[:]:
            if handler in self.handlers[event]:
                try:
                    handler(*args)
                except Exception as error:
                    self.call_soon(raise_it, error)


def raise_it(error: Exception) -> None:
    raise error
