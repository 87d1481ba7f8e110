"""A promise that keeps its error until somebody asks, and nobody does.

Everything works, apart from the day on which something fails and the catch was forgotten. Then
nothing happens at all.

mistake: lost-rejection
fails: test_a_rejection_that_nobody_handles_is_reported, test_the_end_of_a_chain_is_reported
"""

from functools import partial


class Promise:
    def __init__(self, call_soon, start):
        self._soon = call_soon
        self._outcome = None
        self._asking = []
        open_ = [True]

        def decide(kind, what):
            if not open_:
                return
            open_.clear()
            if kind == 0 and isinstance(what, Promise):
                what._ask(partial(self._settle, 0), partial(self._settle, 1))
            else:
                self._settle(kind, what)

        try:
            start(partial(decide, 0), partial(decide, 1))
        except Exception as error:
            decide(1, error)

    def _settle(self, kind, what):
        self._outcome = kind, what
        while self._asking:
            self._soon(self._asking.pop(0)[kind], what)

    def _ask(self, *pair):
        if self._outcome:
            kind, what = self._outcome
            self._soon(pair[kind], what)
        else:
            self._asking.append(pair)

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
