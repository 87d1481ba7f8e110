"""Takes a once-handler off the list before it is called, and walks over a copy of the list.

Both are right, and there is a gap between them: while the first handler emits again, the inner emit
calls the once-handler and takes it off the list. The outer emit still has it on its copy.

mistake: fires-twice
fails: test_once_is_called_once_even_if_another_handler_emits,
    test_a_handler_taken_away_before_its_turn_is_not_called
"""


class Emitter:
    def __init__(self, call_soon):
        self.call_soon = call_soon
        self.always = {}

    def on(self, event, handler):
        self.always.setdefault(event, []).append((handler, False))

    def once(self, event, handler):
        self.always.setdefault(event, []).append((handler, True))

    def off(self, event, handler):
        for once in (False, True):
            if (handler, once) in self.always.get(event, []):
                self.always[event].remove((handler, once))
                return

    def emit(self, event, *args):
        for pair in self.always.get(event, []).copy():
            handler, once = pair
            if once and pair in self.always[event]:
                self.always[event].remove(pair)
            try:
                handler(*args)
            except Exception as error:
                self.call_soon(self._raise, error)

    @staticmethod
    def _raise(error):
        raise error
