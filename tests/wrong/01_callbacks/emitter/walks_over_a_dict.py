"""Keeps the handlers in a dict, under a number each, and walks over the dict itself.

A dict or a set that changes during a walk says so, with a RuntimeError. It says so on the day on
which a handler takes itself away, not on the day on which this was written.

mistake: set-changed-during-iteration
fails: test_a_handler_takes_itself_away, test_a_handler_added_meanwhile_waits,
    test_once_is_called_once, test_once_is_called_once_even_if_it_emits,
    test_once_is_called_once_even_if_another_handler_emits,
    test_a_handler_taken_away_before_its_turn_is_not_called,
    test_once_is_called_once_even_if_it_raises, test_off_knows_a_method_again,
    test_off_takes_a_once_handler_away, test_a_handler_added_twice_is_called_twice
"""

import itertools


class Emitter:
    def __init__(self, call_soon):
        self.call_soon = call_soon
        self.events = {}
        self.numbers = itertools.count()

    def on(self, event, handler):
        self.add(event, handler, False)

    def once(self, event, handler):
        self.add(event, handler, True)

    def add(self, event, handler, once):
        self.events.setdefault(event, {})[next(self.numbers)] = (handler, once)

    def off(self, event, handler):
        handlers = self.events.get(event, {})
        for number, (known, _) in handlers.items():
            if known == handler:
                del handlers[number]
                return

    def emit(self, event, *args):
        handlers = self.events.get(event, {})
        for number, (handler, once) in handlers.items():
            if once:
                del handlers[number]
            try:
                handler(*args)
            except Exception as error:
                self.call_soon(self.throw, error)

    def throw(self, error):
        raise error
