"""Tuples that are replaced, never changed, and a set of what has left; entries are plain lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Emitter:
    def __init__(self, call_soon: Callable[..., object]) -> None:
        self.report = lambda error: call_soon(lambda: self.throw(error))
        self.entries: dict[str, tuple[list[Any], ...]] = {}

    def throw(self, error: Exception) -> None:
        raise error

    def on(self, event: str, handler: Callable[..., object]) -> None:
        self.entries[event] = (*self.entries.get(event, ()), [handler, False])

    def once(self, event: str, handler: Callable[..., object]) -> None:
        self.entries[event] = (*self.entries.get(event, ()), [handler, True])

    def off(self, event: str, handler: Callable[..., object]) -> None:
        for entry in reversed(self.entries.get(event, ())):  # the one added last goes
            if entry[0] == handler:
                self.leave(event, entry)
                break

    def leave(self, event: str, leaving: list[Any]) -> None:
        self.entries[event] = tuple(e for e in self.entries[event] if e is not leaving)

    def emit(self, event: str, *args: Any) -> None:
        for entry in self.entries.get(event, ()):
            if all(entry is not e for e in self.entries[event]):
                continue
            handler, once = entry
            if once:
                self.leave(event, entry)
            try:
                handler(*args)
            except Exception as error:
                self.report(error)
