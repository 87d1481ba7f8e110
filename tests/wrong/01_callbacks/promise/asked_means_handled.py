"""Hands an error on to the promises that then has made, and forgets that these can be forgotten.

The check is made for promises that were rejected by hand. One that is rejected because the promise
before it was, or because a handler raised, is not looked at: the end of every chain.

mistake: lost-rejection
fails: test_the_end_of_a_chain_is_reported
"""

from functools import partial


class Promise:
    def __init__(self, call_soon, start):
        self._soon = call_soon
        self._outcome = None
        self._asking = []
        self._asked = False
        self._decided = False
        try:
            start(self._resolve, self._fail)
        except Exception as error:
            self._fail(error)

    def _resolve(self, value):
        if self._decided:
            return
        self._decided = True
        if isinstance(value, Promise):
            value._ask(partial(self._settle, 0), partial(self._settle, 1))
        else:
            self._settle(0, value)

    def _reject(self, error):
        if not self._decided:
            self._decided = True
            self._settle(1, error)

    def _fail(self, error):
        if not self._decided:
            self._reject(error)
            self._soon(self._report, error)

    def _report(self, error):
        if not self._asked:
            raise error

    def _settle(self, kind, what):
        self._outcome = kind, what
        for pair in self._asking:
            self._soon(pair[kind], what)

    def _ask(self, *pair):
        self._asked = True
        self._asking.append(pair)
        if self._outcome:
            kind, what = self._outcome
            self._soon(pair[kind], what)

    def then(self, on_done=None, on_error=None):
        following = Promise(self._soon, lambda resolve, reject: None)

        def run(handler, pass_on, outcome):
            if handler is None:
                return pass_on(outcome)
            try:
                return following._resolve(handler(outcome))
            except Exception as error:
                return following._reject(error)

        self._ask(
            partial(run, on_done, following._resolve), partial(run, on_error, following._reject)
        )
        return following

    def catch(self, on_error):
        return self.then(None, on_error)
