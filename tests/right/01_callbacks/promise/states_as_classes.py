"""A promise that has a state object, and changes it: Pending, then Done or Broken."""


class Pending:
    def __init__(self):
        self.askers = []

    def tell(self, soon, asker):
        self.askers.append(asker)


class Settled(Pending):
    method = "?"

    def __init__(self, what):
        self.what = what

    def tell(self, soon, asker):
        soon(getattr(asker, self.method), self.what)


class Done(Settled):
    method = "done"


class Broken(Settled):
    method = "broken"


class Asker:
    """One then: what to do with an outcome, and whom to tell of the result."""

    def __init__(self, on_done, on_error, following):
        self.on_done, self.on_error, self.following = on_done, on_error, following

    def done(self, value):
        if self.on_done is None:
            self.following.become(Done(value))
        else:
            self.run(self.on_done, value)

    def broken(self, error):
        if self.on_error is None:
            self.following.become(Broken(error))
        else:
            self.run(self.on_error, error)

    def run(self, handler, what):
        try:
            result = handler(what)
        except Exception as error:
            self.following.become(Broken(error))
        else:
            self.following.become(Done(result))


class Promise:
    def __init__(self, call_soon, start=None):
        self.soon = call_soon
        self.state = Pending()
        self.taken = False
        self.unasked = True
        if start is not None:
            try:
                start(self.resolve, self.reject)
            except Exception as error:
                self.reject(error)

    def resolve(self, value):
        if not self.taken:
            self.taken = True
            self.become(Done(value))

    def reject(self, error):
        if not self.taken:
            self.taken = True
            self.become(Broken(error))

    def become(self, state):
        if isinstance(state, Done) and isinstance(state.what, Promise):
            self.taken = True
            state.what.ask(Asker(None, None, self))
            return
        askers, self.state = self.state.askers, state
        for asker in askers:
            self.state.tell(self.soon, asker)
        if isinstance(state, Broken):
            self.soon(self.check)

    def check(self):
        if self.unasked:
            raise self.state.what

    def ask(self, asker):
        self.unasked = False
        self.state.tell(self.soon, asker)

    def then(self, on_done=None, on_error=None):
        following = Promise(self.soon)
        self.ask(Asker(on_done, on_error, following))
        return following

    def catch(self, on_error):
        return self.then(on_error=on_error)
