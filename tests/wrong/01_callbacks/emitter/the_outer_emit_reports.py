"""Leaves it to the outermost emit to report errors. To the others nobody listens.

mistake: none
fails: test_an_error_goes_to_the_loop
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

Handler = Callable[..., object]


@dataclass(eq=False)  # two entries with the same handler are two entries
class _Entry:
    """One `on` or `once`. `gone` tells an emit that has it on its list that it was taken away."""

    handler: Handler
    once: bool
    gone: bool = False


class Emitter:
    """Calls the handlers of an event whenever the event is emitted."""

    def __init__(self, call_soon: Callable[..., object]) -> None:
        """`call_soon(f, *args)` has the event loop call `f(*args)` later."""
        self._call_soon = call_soon
        self._depth = 0
        self._entries: dict[str, list[_Entry]] = {}

    def on(self, event: str, handler: Handler) -> None:
        """Call `handler` whenever `event` is emitted."""
        self._entries.setdefault(event, []).append(_Entry(handler, once=False))

    def once(self, event: str, handler: Handler) -> None:
        """Call `handler` the next time `event` is emitted, and then no more."""
        self._entries.setdefault(event, []).append(_Entry(handler, once=True))

    def off(self, event: str, handler: Handler) -> None:
        """Stop calling `handler` for `event`."""
        for entry in self._entries.get(event, []):
            if entry.handler == handler:  # == and not `is`: self.show is never the same object
                self._remove(event, entry)
                return

    def emit(self, event: str, *args: Any) -> None:
        """Call the handlers of `event` with `args`; raises nothing."""
        self._depth += 1
        # A copy, because handlers add and remove entries while we walk along it.
        for entry in list(self._entries.get(event, [])):
            if entry.gone:
                continue
            if entry.once:
                self._remove(event, entry)  # before the call: the handler may emit again
            try:
                entry.handler(*args)
            except Exception as error:
                if self._depth == 1:
                    self._call_soon(_raise, error)
        self._depth -= 1

    def _remove(self, event: str, entry: _Entry) -> None:
        entry.gone = True
        self._entries[event].remove(entry)


def _raise(error: Exception) -> NoReturn:
    raise error
