"""Walks over the very list that handlers change.

A list does not complain: when an item behind us is taken out, the next one slips into its place,
and the walk steps over it. A list that grows under the walk makes the walk longer.

mistake: set-changed-during-iteration
fails: test_a_handler_takes_itself_away, test_a_handler_added_meanwhile_waits,
    test_off_takes_a_once_handler_away,
    test_a_handler_taken_away_before_its_turn_is_not_called,
    test_a_handler_added_twice_is_called_twice
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any


class Emitter:
    def __init__(self, call_soon: Callable[..., object]) -> None:
        self.call_soon = call_soon
        self.handlers: dict[str, list[tuple[Callable[..., object], bool]]] = defaultdict(list)

    def on(self, event: str, handler: Callable[..., object]) -> None:
        self.handlers[event].append((handler, False))

    def once(self, event: str, handler: Callable[..., object]) -> None:
        self.handlers[event].append((handler, True))

    def off(self, event: str, handler: Callable[..., object]) -> None:
        for pair in self.handlers[event]:
            if pair[0] == handler:
                self.handlers[event].remove(pair)
                break

    def emit(self, event: str, *args: Any) -> None:
        for handler, once in self.handlers[event]:
            if once:
                self.handlers[event].remove((handler, once))
            try:
                handler(*args)
            except Exception as error:
                self.call_soon(self.report, error)

    def report(self, error: Exception) -> None:
        raise error
