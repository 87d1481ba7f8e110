"""Keeps (ok, what) in a list that has one element when all is decided; the report comes late.

Waits two more turns before it reports a rejection, to be on the safe side, and lets handlers be
called by a relay that asks the list.
"""


def throw(error):
    raise error


class Promise:
    def __init__(self, call_soon, start):
        self.call_soon = call_soon
        self.outcome = []
        self.relays = []
        self.seen = False
        tickets = ["the only one"]

        def use(ok, what):
            if tickets:
                tickets.pop()
                self.decide(ok, what)

        try:
            start(lambda value: use(True, value), lambda error: use(False, error))
        except Exception as error:
            use(False, error)

    def decide(self, ok, what):
        if ok and isinstance(what, Promise):
            what.relay(self.decide)
            return
        self.outcome.append((ok, what))
        for relay in self.relays:
            self.call_soon(relay, ok, what)
        if not ok:
            self.call_soon(self.call_soon, self.call_soon, self.look_back)

    def look_back(self):
        if not self.seen:
            throw(self.outcome[0][1])

    def relay(self, relay):
        self.seen = True
        self.relays.append(relay)
        for ok, what in self.outcome:
            self.call_soon(relay, ok, what)

    def then(self, *handlers):
        on_done, on_error = (*handlers, None, None)[:2]
        following = Promise(self.call_soon, lambda *_: None)

        def relay(ok, what):
            handler = on_done if ok else on_error
            if handler is not None:
                try:
                    ok, what = True, handler(what)
                except Exception as error:
                    ok, what = False, error
            following.decide(ok, what)

        self.relay(relay)
        return following

    def catch(self, on_error):
        return self.then(None, on_error)
