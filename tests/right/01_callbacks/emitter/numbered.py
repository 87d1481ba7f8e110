"""Every handler has a number from one counter; an emit calls those numbered before it began.

Walks by looking for the next number each time, so nothing is copied and nothing is skipped.
"""

import functools


class Emitter:
    def __init__(self, call_soon):
        self._soon = call_soon
        self._last = 0
        self._handlers = {}

    def on(self, event, handler, once=False):
        self._last += 1
        self._handlers.setdefault(event, {})[self._last] = (handler, once)

    once = functools.partialmethod(on, once=True)

    def off(self, event, handler):
        numbered = self._handlers.get(event, {})
        found = next((n for n, (known, _) in numbered.items() if known == handler), None)
        numbered.pop(found, None)

    def emit(self, event, *args):
        numbered = self._handlers.get(event, {})
        end, number = self._last, 0
        while (number := min((n for n in numbered if number < n <= end), default=None)) is not None:
            handler, once = numbered[number]
            if once:
                del numbered[number]
            try:
                handler(*args)
            except Exception as failure:
                self._soon(self._fail, failure)

    def _fail(self, failure):
        raise failure
