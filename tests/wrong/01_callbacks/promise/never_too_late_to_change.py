"""Settles as often as it is told to, and tells whoever is waiting each time.

A timeout that rejects and an answer that resolves a moment later: both are heard, one after the
other.

mistake: callback-called-twice
fails: test_the_first_call_decides, test_what_start_raises_rejects_the_promise,
    test_resolve_may_be_given_a_promise
"""

from functools import partial


class Promise:
    def __init__(self, call_soon, start):
        self._soon = call_soon
        self._outcome = None
        self._asking = []
        try:
            start(partial(self._settle, 0), partial(self._settle, 1))
        except Exception as error:
            self._settle(1, error)

    def _settle(self, kind, what):
        if isinstance(what, Promise):
            what._ask(partial(self._settle, 0), partial(self._settle, 1))
            return
        self._outcome = kind, what
        for pair in self._asking:
            self._soon(pair[kind], what)
        if kind == 1:
            self._soon(self._report, what)

    def _report(self, error):
        if not self._asking:
            raise error

    def _ask(self, *pair):
        self._asking.append(pair)
        if self._outcome:
            kind, what = self._outcome
            self._soon(pair[kind], what)

    def then(self, on_done=None, on_error=None):
        def start(resolve, reject):
            def run(handler, pass_on, outcome):
                if handler is None:
                    return pass_on(outcome)
                try:
                    return resolve(handler(outcome))
                except Exception as error:
                    return reject(error)

            self._ask(partial(run, on_done, resolve), partial(run, on_error, reject))

        return Promise(self._soon, start)

    def catch(self, on_error):
        return self.then(None, on_error)
