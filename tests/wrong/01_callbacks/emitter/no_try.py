"""Calls one handler after another and lets them raise.

Whoever added the first handler decides whether the second one is ever called, and the one who emits
gets errors of code that it has never heard of.

mistake: one-handler-stops-all
fails: test_a_handler_that_raises_stops_nobody, test_an_error_goes_to_the_loop,
    test_once_is_called_once_even_if_it_raises
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(eq=False)
class Registration:
    handler: Callable[..., object]
    once: bool


class Emitter:
    def __init__(self, call_soon: Callable[..., object]) -> None:
        self._call_soon = call_soon
        self._registrations: dict[str, list[Registration]] = {}

    def on(self, event: str, handler: Callable[..., object]) -> None:
        self._registrations.setdefault(event, []).append(Registration(handler, False))

    def once(self, event: str, handler: Callable[..., object]) -> None:
        self._registrations.setdefault(event, []).append(Registration(handler, True))

    def off(self, event: str, handler: Callable[..., object]) -> None:
        found = [r for r in self._registrations.get(event, []) if r.handler == handler]
        if found:
            self._registrations[event].remove(found[0])

    def emit(self, event: str, *args: Any) -> None:
        for registration in tuple(self._registrations.get(event, [])):
            if registration not in self._registrations[event]:
                continue
            if registration.once:
                self._registrations[event].remove(registration)
            registration.handler(*args)
