"""Who is taken away leaves a gap on the list; the gaps are closed when nobody walks over it."""

from __future__ import annotations

from collections.abc import Callable

Handler = Callable[..., object]


def _raise(error):
    raise error


class Slot:
    def __init__(self, handler, once):
        self.handler, self.once = handler, once


class Emitter:
    """Dead slots stay on the list as None handlers until nobody walks."""

    def __init__(self, call_soon):
        self.call_soon = call_soon
        self.slots = {}
        self.depth = 0

    def on(self, event, handler):
        self.slots.setdefault(event, []).append(Slot(handler, False))

    def once(self, event, handler):
        self.slots.setdefault(event, []).append(Slot(handler, True))

    def off(self, event, handler):
        for slot in self.slots.get(event, ()):
            if slot.handler is not None and slot.handler == handler:
                slot.handler = None
                break

    def emit(self, event, *args):
        slots = self.slots.setdefault(event, [])
        self.depth += 1
        try:
            for i in range(len(slots)):
                handler = slots[i].handler
                if handler is None:
                    continue
                if slots[i].once:
                    slots[i].handler = None
                try:
                    handler(*args)
                except Exception as error:
                    self.call_soon(_raise, error)
        finally:
            self.depth -= 1
            if not self.depth:
                for event_ in self.slots:
                    self.slots[event_] = [s for s in self.slots[event_] if s.handler is not None]
