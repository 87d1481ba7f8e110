"""Keeps once-handlers in a list of their own, and empties it when the emit is over.

An emit inside the emit finds the list still full.

mistake: fires-twice
fails: test_once_is_called_once_even_if_it_emits, test_once_is_called_once,
    test_a_handler_takes_itself_away, test_a_handler_added_meanwhile_waits,
    test_a_handler_taken_away_before_its_turn_is_not_called
"""

from collections import defaultdict


class Emitter:
    def __init__(self, call_soon):
        self._call_soon = call_soon
        self._on = defaultdict(list)
        self._once = defaultdict(list)

    def on(self, event, handler):
        self._on[event].append(handler)

    def once(self, event, handler):
        self._once[event].append(handler)

    def off(self, event, handler):
        for handlers in (self._on[event], self._once[event]):
            if handler in handlers:
                handlers.remove(handler)
                return

    def emit(self, event, *args):
        for handlers in (self._on, self._once):
            for handler in list(handlers[event]):
                if handler not in handlers[event]:
                    continue
                try:
                    handler(*args)
                except Exception as error:
                    self._call_soon(self._raise, error)
        self._once[event].clear()

    def _raise(self, error):
        raise error
