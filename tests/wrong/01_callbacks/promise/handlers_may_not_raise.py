"""Calls the handler and resolves the next promise with what it returns; nothing is said of raising.

The loop prints a traceback, and everything behind the handler waits for ever: neither the next then
nor the catch at the end is ever called.

mistake: error-swallowed
fails: test_what_a_handler_raises_rejects_its_promise,
    test_a_handled_rejection_is_not_reported
"""

from functools import partial


class Promise:
    def __init__(self, call_soon, start):
        self._soon = call_soon
        self._outcome = None
        self._asking = []
        self._asked = self._decided = False
        try:
            start(partial(self._decide, 0), partial(self._decide, 1))
        except Exception as error:
            self._decide(1, error)

    def _decide(self, kind, what):
        if self._decided:
            return
        self._decided = True
        if kind == 0 and isinstance(what, Promise):
            what._ask(partial(self._settle, 0), partial(self._settle, 1))
        else:
            self._settle(kind, what)

    def _settle(self, kind, what):
        self._outcome = kind, what
        for pair in self._asking:
            self._soon(pair[kind], what)
        if kind == 1:
            self._soon(self._report)

    def _report(self):
        if not self._asked:
            raise self._outcome[1]

    def _ask(self, *pair):
        self._asked = True
        if self._outcome is None:
            self._asking.append(pair)
        else:
            self._soon(pair[self._outcome[0]], self._outcome[1])

    def then(self, on_done=None, on_error=None):
        def start(resolve, reject):
            self._ask(
                (lambda value: resolve(on_done(value))) if on_done else resolve,
                (lambda error: resolve(on_error(error))) if on_error else reject,
            )

        return Promise(self._soon, start)

    def catch(self, on_error):
        return self.then(None, on_error)
