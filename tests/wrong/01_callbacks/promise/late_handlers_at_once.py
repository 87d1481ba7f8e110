"""Takes waiting handlers to the loop, and calls those that come late in then itself.

"The value is here already, so why wait?" Because the line after then cannot know whether the
handler has run: it is the synchronous cache again.

mistake: inline-callback
fails: test_then_calls_no_handler, test_everyone_who_asks_is_told_in_the_order_of_asking
"""

PENDING, DONE, ERROR = range(3)


class Promise:
    def __init__(self, call_soon, start):
        self._soon = call_soon
        self._state = PENDING
        self._value = None
        self._pairs = []
        self._handled = False
        self._decided = False

        try:
            start(self._resolve, self._reject)
        except Exception as error:
            self._reject(error)

    def _resolve(self, value):
        if self._decided:
            return
        self._decided = True
        if isinstance(value, Promise):
            value._follow(lambda v: self._end(DONE, v), lambda e: self._end(ERROR, e))
        else:
            self._end(DONE, value)

    def _reject(self, error):
        if self._decided:
            return
        self._decided = True
        self._end(ERROR, error)

    def _end(self, state, value):
        self._state, self._value = state, value
        pairs, self._pairs = self._pairs, None
        for pair in pairs:
            self._soon(pair[state - 1], value)
        if state == ERROR:
            self._soon(self._complain)

    def _complain(self):
        if not self._handled:
            raise self._value

    def _follow(self, done, error):
        self._handled = True
        if self._state == PENDING:
            self._pairs.append((done, error))
        elif self._state == DONE:
            done(self._value)
        else:
            error(self._value)

    def then(self, on_done=None, on_error=None):
        following = Promise(self._soon, lambda resolve, reject: None)

        def tell(handler, value, otherwise):
            if handler is None:
                otherwise(value)
                return
            try:
                following._resolve(handler(value))
            except Exception as error:
                following._reject(error)

        self._follow(
            lambda value: tell(on_done, value, following._resolve),
            lambda error: tell(on_error, error, following._reject),
        )
        return following

    def catch(self, on_error):
        return self.then(None, on_error)
