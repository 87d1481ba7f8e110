"""An emit under way makes the next one wait, and the handler that called it goes on at once.

What it was to do after the others had heard of it, it does before.

mistake: none
fails: test_handlers_are_called_in_the_order_they_were_added
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
        self._entries: dict[str, list[_Entry]] = {}
        self._queue = []
        self._busy = False

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

    def emit(self, event, *args):
        self._queue.append((event, args))
        if self._busy:
            return
        self._busy = True
        while self._queue:
            ev, ar = self._queue.pop(0)
            self._emit(ev, *ar)
        self._busy = False

    def _emit(self, event: str, *args: Any) -> None:
        """Call the handlers of `event` with `args`; raises nothing."""
        # A copy, because handlers add and remove entries while we walk along it.
        for entry in list(self._entries.get(event, [])):
            if entry.gone:
                continue
            if entry.once:
                self._remove(event, entry)  # before the call: the handler may emit again
            try:
                entry.handler(*args)
            except Exception as error:
                self._call_soon(_raise, error)

    def _remove(self, event: str, entry: _Entry) -> None:
        entry.gone = True
        self._entries[event].remove(entry)


def _raise(error: Exception) -> NoReturn:
    raise error
